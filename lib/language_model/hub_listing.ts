import { join, relative, sep } from "node:path";
import { cachedSnapshot, repositoryFolder } from "./hub_cache.ts";
import { hubPathParts, hubRefusal, type HubRepository } from "./hub_location.ts";
import {
  type Hub,
  type HubAnswer,
  type HubOptions,
  hubRequest,
  hubSettings,
  withRetries,
} from "./hub_request.ts";
import { stallTimer } from "./stall_timer.ts";

/** Which files are asked for, and how the hub is reached. */
export interface HubListingOptions extends HubRepository, HubOptions {
  /** Folder inside the repository, default all of it. */
  under?: string;
}

// A page has up to 1000 names; the largest collections of SAEs have some ten thousand files.
const mostPages = 200;
// A name with all that the hub tells of it takes 150 to 500 bytes: all pages together are below 100 MB.
const mostBytes = 96 * 2 ** 20;

/**
 * The paths of a repository's files, in order. In offline mode: of those that the cache has.
 *
 * @throws Error when the repository does not exist or is closed, or the hub cannot be reached; an
 * answer that is no list of files is named.
 */
export async function listHubFiles(options: HubListingOptions): Promise<string[]> {
  const { repo, revision = "main", under = "" } = options;
  const repository = repositoryFolder(options);
  const parts = under === "" ? [] : hubPathParts(under);
  const hub = hubSettings(options);
  if (hub.offline) {
    const root = join(repository, "snapshots", await cachedSnapshot(repository, revision));
    return (await filesBelow(join(root, ...parts), root)).sort();
  }
  const path = [encodeURIComponent(revision), ...parts.map(encodeURIComponent)].join("/");
  const paths: string[] = [];
  const left = { bytes: mostBytes, until: performance.now() + hub.patience.listing };
  let url = `${hub.endpoint}/api/models/${repo}/tree/${path}?recursive=true`;
  for (let page = 0; page < mostPages; page++) {
    const what = `the files of ${repo} could not be listed`;
    const [{ response, hubHeader }, text] = await withRetries(
      hub,
      what,
      () => readPage(hub, url, left),
    );
    if (response.status >= 400) {
      throw hubRefusal(hub, options, {
        status: response.status,
        file: under || undefined,
        code: hubHeader("x-error-code"),
      });
    }
    paths.push(...pathsOf(text, what));
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "");
    if (!next) return paths.sort();
    url = new URL(next[1], url).href;
  }
  throw new Error(`${repo} has more than ${mostPages} pages of files`);
}

/** One answer and its text; `left` is what the whole list may still take. */
async function readPage(
  hub: Hub,
  url: string,
  left: { bytes: number; until: number },
): Promise<[HubAnswer, string]> {
  using timer = stallTimer(hub);
  const answer = await hubRequest(hub, url, {}, timer).catch(timer.explain);
  const reader = (answer.response.body ?? new Blob([]).stream()).getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => timer.explain(error));
      if (done) return [answer, text + decoder.decode()];
      timer.restart();
      left.bytes -= value.length;
      if (left.bytes < 0) {
        throw new Error(`${url} answers with more than ${mostBytes} bytes, expected a list`);
      }
      if (performance.now() > left.until) {
        throw new Error(`${url}: the list is not complete after ${hub.patience.listing / 1000} s`);
      }
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function pathsOf(text: string, what: string): string[] {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch {
    entries = undefined;
  }
  if (!Array.isArray(entries)) throw new Error(`${what}: the answer is ${text.slice(0, 100)}`);
  return entries
    .filter((entry) => entry?.type === "file" && typeof entry.path === "string")
    .map(({ path }) => hubPathParts(path).join("/"));
}

async function filesBelow(folder: string, root: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) found.push(...await filesBelow(path, root));
      else found.push(relative(root, path).replaceAll(sep, "/"));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}
