import type { Progress } from "../progress.ts";
import { downloadHubFile } from "../language_model/hub_file.ts";
import { listHubFiles } from "../language_model/hub_listing.ts";
import { HubFileMissingError } from "../language_model/hub_location.ts";
import type { HubOptions } from "../language_model/hub_request.ts";
import { findInOrder, folderOf } from "./hub_layouts.ts";
import { LAYOUTS, type SaeFiles } from "./sae_files.ts";

/** How SAEs are fetched from the hub. */
export interface HubSaeOptions extends HubOptions {
  /** Branch, tag or commit, default "main". */
  revision?: string;
  /** Folder that downloads go to, default Hugging Face's own cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
  /** Called while a file, the `phase`, is downloaded: numbers of bytes. */
  onProgress?: (progress: Progress) => void;
}

/** Location of an SAE on the hub. */
export interface HubSae {
  /** `owner/name`. */
  repository: string;
  /** Folder or file in it, "" for its root. */
  path: string;
  /** Its format, where that is known: others are not looked for. */
  format?: SaeFiles["format"];
}

/**
 * Reads a hub id: `owner/name`, and after it the path of a folder or file in the repository.
 *
 * @returns undefined where the text cannot be one.
 */
export function parseHubId(id: string): HubSae | undefined {
  const parts = id.split("/");
  // No leading dot: neither "." nor ".." is a part of a hub id. Some SAEs have "+" and ":" in their names.
  const isPart = (part: string, at: number) =>
    (at < 2 ? /^\w[\w.-]*$/ : /^\w[\w.+:-]*$/).test(part);
  if (parts.length < 2 || !parts.every(isPart)) return undefined;
  return { repository: parts.slice(0, 2).join("/"), path: parts.slice(2).join("/") };
}

/**
 * Fetches the files of an SAE from the hub, or finds them in the cache.
 *
 * @throws {Error} The repository has none of the files that an SAE could have there; the message names
 * folders below that have one. Also what `downloadHubFile` throws.
 */
export async function fetchSaeFiles(
  { repository, path, format }: HubSae,
  options: HubSaeOptions,
): Promise<SaeFiles> {
  const tried: string[] = [];
  let missing: Error | undefined;
  let commit: string | undefined;
  const get = async (file: string): Promise<string | undefined> => {
    tried.push(file);
    try {
      const found = await downloadHubFile({ ...options, repo: repository, file, commit });
      // The branch may move meanwhile: config and weights must be of one commit.
      commit = found.commit;
      return found.path;
    } catch (error) {
      if (!(error instanceof HubFileMissingError)) throw error;
      missing = error;
    }
  };
  const found = await findInOrder({ path, format }, get);
  if (found) return found;
  const folder = folderOf(path);
  const below = await saesBelow(repository, folder, options);
  throw new Error(
    `cannot load an SAE from ${repository}/${path}: none of ${tried.join(", ")} is there` +
      (below.length > 0 ? `. It holds several, give one of ${below.slice(0, 12).join(", ")}` : "") +
      ` (${missing!.message})`,
    { cause: missing },
  );
}

/** Ids of the folders below one that hold SAEs; none where they cannot be listed. */
async function saesBelow(repo: string, folder: string, options: HubSaeOptions): Promise<string[]> {
  try {
    const under = folder.replace(/\/$/, "");
    const files = await listHubFiles({ ...options, repo, ...(under ? { under } : {}) });
    const marks = LAYOUTS.map(({ config, weights }) => `/${config ?? weights}`);
    const found = files.filter((file) => !/(^|[/])[.]/.test(file)).flatMap((file) => {
      if (/[.]pth?$/.test(file) && !file.endsWith("/ae.pt")) return [file];
      const mark = marks.find((mark) => `/${file}`.endsWith(mark));
      return mark === undefined ? [] : [file.slice(0, -mark.length)];
    });
    return [...new Set(found)].filter((path) => path !== under).map((path) => `${repo}/${path}`);
  } catch {
    return [];
  }
}
