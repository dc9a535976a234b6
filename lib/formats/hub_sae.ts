import { downloadHubFile } from "../language_model/hub_file.ts";
import { listHubFiles } from "../language_model/hub_listing.ts";
import { HubFileMissing } from "../language_model/hub_location.ts";
import type { HubOptions } from "../language_model/hub_request.ts";
import {
  aPickle,
  CONFIG,
  GEMMA_SCOPE_WEIGHTS,
  pickleName,
  SAE_LENS_WEIGHTS,
  type SaeFiles,
  SPARSIFY_WEIGHTS,
} from "./sae_files.ts";

/** How SAEs are fetched from the hub. */
export interface HubSaeOptions extends HubOptions {
  /** Branch, tag or commit, default "main". */
  revision?: string;
  /** Folder that downloads go to, default Hugging Face's own cache (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string;
  /** Called while a file is downloaded: bytes so far and in all, 0 where the server does not say. */
  onProgress?: (progress: { file: string; loaded: number; total: number }) => void;
}

/** An SAE's place on the hub. */
export interface HubSae {
  /** `owner/name`. */
  repository: string;
  /** Folder or file in it, "" for its root. */
  path: string;
}

/**
 * Reads a hub id: `owner/name`, and after it the path of a folder or file in the repository.
 *
 * @returns undefined where the text cannot be one.
 */
export function parseHubId(id: string): HubSae | undefined {
  const parts = id.split("/");
  // No leading dot: neither "." nor ".." is a part of a hub id.
  if (parts.length < 2 || !parts.every((part) => /^\w[\w.-]*$/.test(part))) return undefined;
  return { repository: parts.slice(0, 2).join("/"), path: parts.slice(2).join("/") };
}

/**
 * Fetches the files of an SAE from the hub, or finds them in the cache.
 *
 * @throws {Error} The repository has none of the files that an SAE could have there; the message names
 * folders below that have one. Also what `downloadHubFile` throws.
 */
export async function fetchSaeFiles(
  { repository, path }: HubSae,
  options: HubSaeOptions,
): Promise<SaeFiles> {
  const tried: string[] = [];
  let missing: Error | undefined;
  let commit: string | undefined;
  const get = async (file: string): Promise<string | undefined> => {
    tried.push(file);
    try {
      const found = await downloadHubFile({ ...options, repo: repository, file, commit });
      // The branch may move meanwhile: config and weights are of one commit.
      commit = found.commit;
      return found.path;
    } catch (error) {
      if (!(error instanceof HubFileMissing)) throw error;
      missing = error;
    }
  };
  const name = path.split("/").at(-1)!;
  if (pickleName.test(name)) {
    throw new Error(`cannot load an SAE from ${repository}/${path}: it is ${aPickle(name)}`);
  }
  const isFile = /\.(npz|safetensors|json)$/.test(name);
  const folder = isFile ? path.slice(0, -name.length) : path === "" ? "" : `${path}/`;
  const findNpz = async (): Promise<SaeFiles | undefined> => {
    const weights = await get(folder + (name.endsWith(".npz") ? name : GEMMA_SCOPE_WEIGHTS));
    return weights === undefined ? undefined : { format: "gemma-scope", weights };
  };
  const findWithConfig = async (): Promise<SaeFiles | undefined> => {
    const config = await get(folder + CONFIG);
    if (config === undefined) return undefined;
    const names = name.endsWith(".safetensors") ? [name] : [SAE_LENS_WEIGHTS, SPARSIFY_WEIGHTS];
    for (const file of names) {
      const weights = await get(folder + file);
      const format = file === SPARSIFY_WEIGHTS ? "sparsify" : "saelens";
      if (weights !== undefined) return { format, config, weights };
    }
  };
  // Each miss costs a request: what the name tells comes first.
  const isGemma = name.endsWith(".npz") || /^average_l0_/.test(name);
  const orders = isGemma ? [findNpz, findWithConfig] : [findWithConfig, findNpz];
  for (const find of isFile ? orders.slice(0, 1) : orders) {
    const files = await find();
    if (files) return files;
  }
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
    const marks = new RegExp(`/(${CONFIG}|${GEMMA_SCOPE_WEIGHTS})$`.replaceAll(".", "\\."));
    return files.filter((file) => marks.test(file)).map((file) => `${repo}/${file}`)
      .map((file) => file.replace(marks, ""));
  } catch {
    return [];
  }
}
