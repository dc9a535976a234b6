import { hookZConfig } from "./load_hook_z.ts";
import {
  CONFIG,
  type ConfiguredFormat,
  type Layout,
  LAYOUTS,
  OTHER_CONFIG,
  pickleName,
  type SaeFiles,
} from "./sae_files.ts";

/** Downloads a file of the repository; undefined where it has none of that name. */
export type GetFile = (file: string) => Promise<string | undefined>;

/** Names of folders that only one format has, or of folders around them. */
const telling: readonly [RegExp, SaeFiles["format"]][] = [
  [/(^|\/)average_l0_\d+$/, "gemma-scope"],
  [/_l0_(small|medium|big)(_affine)?$/, "gemma-scope-2"],
  [/(^|\/)Llama3_1-8B-Base-L\d+[A-Z]-\d+x$/, "llama-scope"],
  [/(^|\/)L\d+[A-Z]$/, "llama-scope-r1"],
  [/(^|\/)trainer_\d+(_step_\d+)?$/, "dictionary-learning"],
];

/** The folder of a path that may be that of a file, "" or with a slash at its end. */
export function folderOf(path: string): string {
  const name = path.split("/").at(-1)!;
  const isFile = /\.(npz|safetensors|json)$/.test(name) || name === "ae.pt";
  const folder = isFile ? path.slice(0, -name.length) : path === "" ? "" : `${path}/`;
  return folder.replace(/(^|\/)checkpoints\/$/, "$1");
}

/**
 * Looks for the files of an SAE in a repository. Each missing file costs a request: files that the path
 * suggests come first.
 */
export async function findInOrder(
  { path, format }: { path: string; format?: SaeFiles["format"] },
  get: GetFile,
): Promise<SaeFiles | undefined> {
  const name = path.split("/").at(-1)!;
  if (format === "torch" || format === undefined && pickleName.test(name) && name !== "ae.pt") {
    const found = await getTorch(path, get);
    // A folder may be named like a file: jbloom/…-resid-post-SAEs/v5_32k_layer_0.pt.
    if (found || format === "torch") return found;
  }
  const folder = folderOf(path);
  if (/\.npz$/.test(name)) {
    const weights = await get(path);
    return weights === undefined ? undefined : { format: "gemma-scope", weights };
  }
  const named = LAYOUTS.filter(({ weights, config }) =>
    format === undefined && (path === folder + weights || path === folder + config)
  );
  const told = format ?? telling.find(([pattern]) => pattern.test(path))?.[1];
  const first = LAYOUTS.filter((layout) => layout.format === told);
  const rest = format === undefined ? LAYOUTS.filter((layout) => !first.includes(layout)) : [];
  const asked = new Map<string, string | undefined>();
  const once: GetFile = async (file) => {
    if (!asked.has(file)) asked.set(file, await get(file));
    return asked.get(file);
  };
  if (/\.safetensors$/.test(name) && named.length === 0) {
    // Weights under another name.
    const [config, weights] = [await once(folder + CONFIG), await once(path)];
    return config && weights ? { format: "saelens", config, weights } : undefined;
  }
  for (const layout of named.length > 0 ? named : [...first, ...rest]) {
    const files = await getLayout(folder, layout, once);
    if (files) return files;
  }
}

async function getLayout(
  folder: string,
  { format, config: configName, weights: weightsName }: Layout,
  get: GetFile,
): Promise<SaeFiles | undefined> {
  // A config is small: it shows cheaply whether to continue.
  const config = configName === undefined ? undefined : await get(folder + configName);
  if (configName !== undefined && config === undefined) return undefined;
  const weights = await get(folder + weightsName);
  if (weights === undefined) return undefined;
  if (format === "gemma-scope-2") {
    const own = await get(folder + OTHER_CONFIG);
    return { format, weights, ...(own === undefined ? {} : { config: own }) };
  }
  return config === undefined
    ? { format: "gemma-scope", weights }
    : { format: format as ConfiguredFormat, config, weights };
}

async function getTorch(path: string, get: GetFile): Promise<SaeFiles | undefined> {
  const weights = await get(path);
  if (weights === undefined) return undefined;
  // Only those of attention heads have a config, and are recognised by their names: "…_Hcat_z_…".
  const config = /_z_/.test(path) ? await get(hookZConfig(path)) : undefined;
  return { format: "torch", weights, ...(config === undefined ? {} : { config }) };
}
