import { join, relative, sep } from "node:path";
import { cachedSnapshot, repositoryFolder } from "./hub_cache.ts";
import { hubError, hubPathParts, type HubRepository } from "./hub_location.ts";
import {
  type Hub,
  type HubOptions,
  hubRequest,
  type HubResponse,
  hubSettings,
  stallTimer,
  withRetries,
} from "./hub_request.ts";

/** Options of {@linkcode listHubFiles}. */
export interface HubListingOptions extends HubRepository, HubOptions {
  /** Folder inside the repository, default the whole repository. */
  under?: string;
}

// A page has up to 1000 names; the largest collections of SAEs have some ten thousand files.
const maxPages = 200;
// An entry takes 150 to 500 bytes, so 200 pages stay below 100 MB.
const maxBytes = 96 * 2 ** 20;

/**
 * The paths of a repository's files, sorted. In offline mode, those that the cache has.
 *
 * @throws {Error} The repository does not exist or is not accessible, the hub cannot be reached, or
 * its response is not a list of files.
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
  const left = { bytes: maxBytes, until: performance.now() + hub.limits.listingTimeout };
  let url = `${hub.endpoint}/api/models/${repo}/tree/${path}?recursive=true`;
  for (let page = 0; page < maxPages; page++) {
    const what = `the files of ${repo} could not be listed`;
    const [{ response, hubHeader }, text] = await withRetries(
      hub,
      what,
      () => readPage(hub, url, left),
    );
    if (response.status >= 400) {
      throw hubError(hub, options, {
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
  throw new Error(`${repo} has more than ${maxPages} pages of files`);
}

/** One response and its text; `left` is what remains of the limits of the whole list. */
async function readPage(
  hub: Hub,
  url: string,
  left: { bytes: number; until: number },
): Promise<[HubResponse, string]> {
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
        throw new Error(`${url} answers with more than ${maxBytes} bytes, expected a list`);
      }
      if (performance.now() > left.until) {
        throw new Error(
          `${url}: the list is not complete after ${hub.limits.listingTimeout / 1000} s`,
        );
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
