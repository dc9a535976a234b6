import { join, relative, sep } from "node:path";
import { hubFolder, hubPathParts, hubRefusal, type HubRepository } from "./hub_location.ts";
import { type HubOptions, hubRequest, hubSettings, withRetries } from "./hub_request.ts";

/** Which files are asked for, and how the hub is reached. */
export interface HubListingOptions extends HubRepository, HubOptions {
  /** Folder inside the repository, default all of it. */
  under?: string;
}

// A page has up to 1000 names; the largest collections of SAEs have some ten thousand files.
const mostPages = 200;

/**
 * The paths of a repository's files, in order. In offline mode: of those that the cache has.
 *
 * @throws Error when the repository does not exist or is closed, or the hub cannot be reached; an
 * answer that is no list of files is named.
 */
export async function listHubFiles(options: HubListingOptions): Promise<string[]> {
  const { repo, revision = "main", under = "" } = options;
  const folder = hubFolder(options);
  const parts = under === "" ? [] : hubPathParts(under);
  const hub = hubSettings(options);
  if (hub.offline) return (await filesBelow(join(folder, ...parts), folder)).sort();
  const path = [encodeURIComponent(revision), ...parts.map(encodeURIComponent)].join("/");
  const paths: string[] = [];
  let url = `${hub.endpoint}/api/models/${repo}/tree/${path}?recursive=true`;
  for (let page = 0; page < mostPages; page++) {
    const what = `the files of ${repo} could not be listed`;
    const { response, hubHeader } = await withRetries(hub, what, () => hubRequest(hub, url, {}));
    if (response.status >= 400) {
      await response.body?.cancel();
      throw hubRefusal(hub, options, {
        status: response.status,
        file: under || undefined,
        code: hubHeader("x-error-code"),
      });
    }
    paths.push(...pathsOf(await response.text(), what));
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "");
    if (!next) return paths.sort();
    url = new URL(next[1], url).href;
  }
  throw new Error(`${repo} has more than ${mostPages} pages of files`);
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
