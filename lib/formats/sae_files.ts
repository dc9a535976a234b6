import { basename, dirname, join } from "@std/path";
import { regularFileSize } from "../language_model/regular_file.ts";
import { findConfig } from "./sealed_weights.ts";

/** The files of an SAE in one of the formats that are read. */
export type SaeFiles =
  | { format: "saelens" | "sparsify"; config: string; weights: string }
  | { format: "gemma-scope"; weights: string };

/** Names of the files of each format, in the order in which they are looked for. */
export const CONFIG = "cfg.json";
/** SAELens's weights. */
export const SAE_LENS_WEIGHTS = "sae_weights.safetensors";
/** sparsify's weights. */
export const SPARSIFY_WEIGHTS = "sae.safetensors";
/** Gemma Scope's weights. */
export const GEMMA_SCOPE_WEIGHTS = "params.npz";

const expected =
  `${CONFIG} with ${SAE_LENS_WEIGHTS} (SAELens) or ${SPARSIFY_WEIGHTS} (sparsify), or ` +
  `${GEMMA_SCOPE_WEIGHTS} (Gemma Scope)`;

/** Names of files that PyTorch and Python write as pickles. */
export const pickleName = /\.(pt|pth|bin|ckpt|pkl|pickle)$/i;

/**
 * Finds the files of an SAE on disk.
 *
 * @param path A folder, or one of the files.
 * @throws {Error} There is nothing there, or nothing that can be read; the message says what there is
 * and what is wanted. PyTorch's pickles are never opened.
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
    const pickle = await whyPickle(path);
    if (pickle) fail(pickle);
    const name = basename(path);
    if (name.endsWith(".npz")) return { format: "gemma-scope", weights: path };
    if (name.endsWith(".safetensors")) return withConfig(path, join(dirname(path), CONFIG));
    if (name !== CONFIG) fail(`expected a folder with ${expected}`);
  }
  const folder = isDirectory ? path : dirname(path);
  const names = (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name).sort();
  const weights = [SAE_LENS_WEIGHTS, SPARSIFY_WEIGHTS].find((name) => names.includes(name));
  const hasConfig = names.includes(CONFIG) ||
    weights === SAE_LENS_WEIGHTS && await holdsConfig(folder);
  if (hasConfig && weights) {
    return withConfig(join(folder, weights), join(folder, CONFIG));
  }
  if (names.includes(GEMMA_SCOPE_WEIGHTS)) {
    return { format: "gemma-scope", weights: join(folder, GEMMA_SCOPE_WEIGHTS) };
  }
  const pickles = names.filter((name) => pickleName.test(name));
  if (pickles.length > 0) fail(`${pickles[0]} is ${aPickle(pickles[0])}`);
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

/** Whether the files of an SAE without `cfg.json` say their config: replacing them was interrupted. */
async function holdsConfig(folder: string): Promise<boolean> {
  try {
    return await findConfig(join(folder, CONFIG), join(folder, SAE_LENS_WEIGHTS)) !== undefined;
  } catch {
    return false;
  }
}

/** The format of a safetensors file is told by its name. */
function withConfig(weights: string, config: string): SaeFiles {
  const format = basename(weights) === SPARSIFY_WEIGHTS ? "sparsify" : "saelens";
  return { format, config, weights };
}

async function holdsSae(folder: string): Promise<boolean> {
  for (const name of [CONFIG, GEMMA_SCOPE_WEIGHTS]) {
    try {
      if ((await Deno.stat(join(folder, name))).isFile) return true;
    } catch { /* A file, or a folder without it. */ }
  }
  return false;
}

/** Why a file is a pickle, by its name or its first bytes; undefined for others. */
async function whyPickle(path: string): Promise<string | undefined> {
  if (pickleName.test(path)) return `it is ${aPickle(basename(path))}`;
  using file = await Deno.open(path);
  const first = new Uint8Array(2);
  await file.read(first);
  // The opcode PROTO and a protocol from 2 to 5.
  const isPickle = first[0] === 0x80 && first[1] >= 2 && first[1] <= 5;
  return isPickle ? `it is ${aPickle(basename(path))}` : undefined;
}

/** What a pickle is and what to do with it, for errors. */
export function aPickle(name: string): string {
  const whose = name === "ae.pt" ? " of dictionary_learning" : "";
  return `a PyTorch pickle${whose}, which can run any program when it is opened and is never read ` +
    `here: load it in Python with torch.load(…, weights_only=True), save W_enc [d, m], W_dec [m, d], ` +
    `b_enc and b_dec with safetensors.torch.save_file as ${SAE_LENS_WEIGHTS}, and write a ${CONFIG}`;
}
