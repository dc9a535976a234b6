import { basename, dirname, join } from "@std/path";
import { regularFileSize } from "../language_model/regular_file.ts";
import { hookZConfig } from "./load_hook_z.ts";
import { findConfig } from "./sealed_weights.ts";

/** The files of an SAE in one of the formats that are read. */
export type SaeFiles =
  | { format: ConfiguredFormat; config: string; weights: string }
  | { format: "gemma-scope"; weights: string }
  | { format: "gemma-scope-2" | "torch"; config?: string; weights: string };

/** Formats that need a config. */
export type ConfiguredFormat =
  | "saelens"
  | "sparsify"
  | "llama-scope"
  | "llama-scope-r1"
  | "dictionary-learning";

/** Where the files of a format are in an SAE's folder. */
export interface Layout {
  /** The format. */
  format: SaeFiles["format"];
  /** Its config; absent where the format has none or can do without. */
  config?: string;
  /** Its weights. */
  weights: string;
}

/** Names of the config that SAELens and sparsify write. */
export const CONFIG = "cfg.json";
/** SAELens's weights. */
export const SAE_LENS_WEIGHTS = "sae_weights.safetensors";
/** The config of Gemma Scope 2, dictionary_learning and others. */
export const OTHER_CONFIG = "config.json";

/** The formats whose files have names of their own, in the order in which they are looked for. */
export const LAYOUTS: readonly Layout[] = [
  { format: "saelens", config: CONFIG, weights: SAE_LENS_WEIGHTS },
  { format: "sparsify", config: CONFIG, weights: "sae.safetensors" },
  { format: "gemma-scope", weights: "params.npz" },
  { format: "gemma-scope-2", weights: "params.safetensors" },
  { format: "llama-scope", config: "hyperparams.json", weights: "checkpoints/final.safetensors" },
  { format: "dictionary-learning", config: OTHER_CONFIG, weights: "ae.pt" },
  { format: "llama-scope-r1", config: OTHER_CONFIG, weights: SAE_LENS_WEIGHTS },
];

const expected = `${CONFIG} with ${SAE_LENS_WEIGHTS} (SAELens) or sae.safetensors (sparsify), ` +
  `params.npz or params.safetensors (Gemma Scope), hyperparams.json with checkpoints/final.safetensors ` +
  `(Llama Scope), ${OTHER_CONFIG} with ae.pt (dictionary_learning), or a .pt file of torch.save`;

/** Names of files that PyTorch and Python write as pickles. */
export const pickleName = /\.(pt|pth|bin|ckpt|pkl|pickle)$/i;

/**
 * Finds the files of an SAE on disk.
 *
 * @param path A folder, or one of the files.
 * @throws {Error} There is nothing there, or nothing that can be read; the message says what there is
 * and what is wanted.
 */
export async function findSaeFiles(path: string): Promise<SaeFiles> {
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`cannot load an SAE from ${path}: ${why}`, { cause });
  };
  let isDirectory: boolean;
  try {
    ({ isDirectory } = await Deno.stat(path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) return fail((error as Error).message, error);
    return fail("there is no such folder or file", error);
  }
  if (!isDirectory) {
    regularFileSize(path);
    const files = await ofFile(path);
    if (files) return files;
    if (!LAYOUTS.some(({ config }) => config === basename(path))) {
      fail(`expected a folder with ${expected}`);
    }
  }
  const folder = isDirectory ? path : dirname(path);
  for (const layout of LAYOUTS) {
    if (await holds(folder, layout)) return await completed(folder, layout);
  }
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
  const pickles = names.filter((name) => pickleName.test(name));
  if (pickles.length === 1) return await torchFiles(join(folder, pickles[0]));
  if (pickles.length > 1) {
    fail(`it holds several: give one of its files ${pickles.slice(0, 12).join(", ")}`);
  }
  const inside = [];
  for (const name of names) if (await holdsSae(join(folder, name))) inside.push(name);
  if (inside.length > 0) {
    fail(
      inside.length === 1
        ? `the SAE is in its folder ${inside[0]}: give that one`
        : `it holds several: give one of its folders ${inside.slice(0, 12).join(", ")}`,
    );
  }
  return fail(
    names.includes(CONFIG)
      ? `it has no ${SAE_LENS_WEIGHTS}, expected ${expected}`
      : `it has no ${CONFIG}, expected ${expected}`,
  );
}

/** The files that belong to one that was given by its name; undefined where its folder is to be looked at. */
async function ofFile(path: string): Promise<SaeFiles | undefined> {
  const name = basename(path);
  const folder = dirname(path);
  if (name.endsWith(".npz")) return { format: "gemma-scope", weights: path };
  if (name.endsWith(".safetensors")) {
    const whole = LAYOUTS.find(({ weights }) => path.replaceAll("\\", "/").endsWith(weights));
    const place = whole?.weights.includes("/") ? dirname(folder) : folder;
    const fitting = LAYOUTS.filter(({ weights }) => weights === whole?.weights);
    for (const layout of fitting) {
      if (await holds(place, layout)) return await completed(place, layout);
    }
    const format = whole?.format === "sparsify" ? "sparsify" : "saelens";
    return { format, config: join(folder, CONFIG), weights: path };
  }
  if (name === "ae.pt") {
    const layout = LAYOUTS.find(({ weights }) => weights === name)!;
    if (await holds(folder, layout)) return completed(folder, layout);
    throw new Error(
      `cannot load an SAE from ${path}: it has no ${OTHER_CONFIG} beside it, which says its class`,
    );
  }
  return pickleName.test(name) || await isPickle(path) ? await torchFiles(path) : undefined;
}

/** Whether a folder has the files of a layout. */
async function holds(folder: string, { format, config, weights }: Layout): Promise<boolean> {
  if (!await isThere(join(folder, weights))) return false;
  if (config === undefined || await isThere(join(folder, config))) return true;
  // Replacing them may have been interrupted: then the weights say their config.
  return format === "saelens" && await holdsConfig(folder);
}

async function completed(folder: string, { format, config, weights }: Layout): Promise<SaeFiles> {
  const path = join(folder, weights);
  if (format === "gemma-scope-2") {
    const own = join(folder, OTHER_CONFIG);
    return { format, weights: path, ...(await isThere(own) ? { config: own } : {}) };
  }
  return config === undefined
    ? { format: "gemma-scope", weights: path }
    : { format: format as ConfiguredFormat, config: join(folder, config), weights: path };
}

async function torchFiles(weights: string): Promise<SaeFiles> {
  const config = hookZConfig(weights);
  const hasConfig = config !== weights && await isThere(config);
  return { format: "torch", weights, ...(hasConfig ? { config } : {}) };
}

/** Whether the files of an SAE without `cfg.json` say their config: replacing them was interrupted. */
async function holdsConfig(folder: string): Promise<boolean> {
  try {
    return await findConfig(join(folder, CONFIG), join(folder, SAE_LENS_WEIGHTS)) !== undefined;
  } catch {
    return false;
  }
}

async function holdsSae(folder: string): Promise<boolean> {
  if (await isThere(join(folder, CONFIG))) return true;
  for (const layout of LAYOUTS) if (await holds(folder, layout)) return true;
  return false;
}

/** Whether a path exists; if it cannot be read, opening it reports that. */
async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a file begins as a pickle does: the opcode PROTO and a protocol from 2 to 5. */
async function isPickle(path: string): Promise<boolean> {
  using file = await Deno.open(path);
  const first = new Uint8Array(2);
  await file.read(first);
  return first[0] === 0x80 && first[1] >= 2 && first[1] <= 5;
}
