import { basename, dirname, join } from "@std/path";
import { checkSae } from "../sae/check.ts";
import type { Sae } from "../sae/sae.ts";
import { replaceFile } from "./replace_file.ts";

import { checkSavable } from "./check_savable.ts";
import { parseSaeConfig, saeConfig } from "./sae_config.ts";
import { openSafetensors, type SafetensorsFile, writeSafetensors } from "./safetensors.ts";
import { transposeBlock } from "./transpose.ts";

/** Options of {@linkcode loadSae}. */
export interface LoadSaeOptions {
  /** Stops the reading. */
  signal?: AbortSignal;
}

const configName = "cfg.json";
const weightsName = "sae_weights.safetensors";

// W_enc is transposed through pieces of 8 MiB: 21 rows of a 98,304-latent SAE, so that the
// scattered side still moves whole cache lines of 16 floats.
const pieceElements = 2 * 2 ** 20;

/**
 * Saves an SAE as a folder that SAELens reads too: `cfg.json` and `sae_weights.safetensors` (float32).
 * A batchtopk SAE is stored as the jumprelu with a constant threshold that it is at inference, with
 * a note from which {@linkcode loadSae} makes a batchtopk SAE again. Each file is written beside its
 * place and renamed into it, `cfg.json` last.
 *
 * @param sae The SAE; weights must be finite.
 * @param folder Made where missing; files of an SAE in it are replaced.
 * @throws {Error} The SAE is inconsistent (the message names the field, what was found and what is
 * wanted), a batchtopk SAE has no threshold yet, or the folder cannot be written.
 */
export async function saveSae(sae: Sae, folder: string): Promise<void> {
  const { dModel: d, dictSize: m } = sae;
  checkSae(sae);
  if (sae.architecture === "topk" || sae.architecture === "batchtopk") {
    if (sae.k === undefined) throw new Error(`k is missing, which a ${sae.architecture} SAE needs`);
  }
  checkSavable(sae);
  const config = JSON.stringify(saeConfig(sae), undefined, 2);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "it is, or lies in, a file, expected a folder" : (error as Error).message;
    throw new Error(`cannot save an SAE to ${folder}: ${why}`, { cause: error });
  }
  await writeSafetensors(join(folder, weightsName), {
    W_enc: { shape: [d, m], data: transposedPieces(sae.wEnc, m, d) },
    W_dec: { shape: [m, d], data: sae.wDec },
    b_enc: { shape: [m], data: sae.bEnc },
    b_dec: { shape: [d], data: sae.bDec },
    ...(sae.threshold ? { threshold: { shape: [m], data: sae.threshold } } : {}),
  });
  await replaceFile(join(folder, configName), async (file) => {
    const bytes = new TextEncoder().encode(config + "\n");
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  });
}

/**
 * Loads an SAE from a folder that {@linkcode saveSae} or SAELens wrote (architectures standard,
 * topk, jumprelu and batchtopk; also the flat `cfg.json` from before SAELens 6).
 *
 * A topk or batchtopk SAE that SAELens selects by activation times decoder norm gets that norm
 * folded into its encoder, and decoder rows of norm 1: the same function in plain form.
 *
 * @param pathOrHubId The folder, or one of its two files. Names on the Hugging Face hub cannot be
 * loaded yet.
 * @returns The SAE in float32. `metadata` holds model, hook, contextSize, prependBos and dataset
 * where the config has them, and its other notes under their own names.
 * @throws {Error} A file is missing or malformed, a tensor has another shape than the config says,
 * a weight is not finite, or the architecture is not supported.
 */
export async function loadSae(pathOrHubId: string, options: LoadSaeOptions = {}): Promise<Sae> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { configPath, weightsPath } = await findFiles(pathOrHubId);
  const config = parseSaeConfig(configPath, await readConfig(configPath, pathOrHubId));
  const { rescaleByDecoderNorm, ...fields } = config;
  const { dModel: d, dictSize: m, architecture } = fields;

  await using file = await openSafetensors(weightsPath);
  checkShape(file, "W_enc", [d, m], "[dModel, dictSize]");
  checkShape(file, "W_dec", [m, d], "[dictSize, dModel]");
  checkShape(file, "b_enc", [m], "[dictSize]");
  checkShape(file, "b_dec", [d], "[dModel]");
  const hasThreshold = architecture === "jumprelu" || file.tensors.has("threshold");
  if (hasThreshold) checkShape(file, "threshold", [m], "[dictSize]");

  const vector = async (name: string, length: number): Promise<Float32Array> => {
    signal?.throwIfAborted();
    const data = new Float32Array(length);
    await file.read(name, 0, data);
    return data;
  };
  const sae: Sae = {
    ...fields,
    wEnc: await readTransposed(file, "W_enc", d, m, signal),
    wDec: await vector("W_dec", m * d),
    bEnc: await vector("b_enc", m),
    bDec: await vector("b_dec", d),
  };
  if (hasThreshold) sae.threshold = await vector("threshold", m);
  else if (architecture === "batchtopk" && file.tensors.has("topk_threshold")) {
    checkShape(file, "topk_threshold", [], "one number");
    sae.threshold = new Float32Array(m).fill((await vector("topk_threshold", 1))[0]);
  }
  if (file.tensors.has("scaling_factor")) {
    checkShape(file, "scaling_factor", [m], "[dictSize]");
    if ((await vector("scaling_factor", m)).some((scale) => scale !== 1)) {
      throw new Error(`scaling_factor is not all ones, which is not supported, in ${weightsPath}`);
    }
  }
  try {
    checkSae(sae);
  } catch (error) {
    throw new Error(`${(error as Error).message}, in ${weightsPath}`);
  }
  if (rescaleByDecoderNorm) foldDecoderNorm(sae);
  return sae;
}

async function findFiles(path: string): Promise<{ configPath: string; weightsPath: string }> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing
      ? "there is no such folder or file (names on the Hugging Face hub cannot be loaded yet: " +
        "download the folder and give its path)"
      : (error as Error).message;
    throw new Error(`cannot load an SAE from ${path}: ${why}`, { cause: error });
  }
  const folder = info.isDirectory ? path : dirname(path);
  if (!info.isDirectory && basename(path) !== configName && !path.endsWith(".safetensors")) {
    throw new Error(
      `cannot load an SAE from ${path}: expected a folder with ${configName} and ${weightsName}`,
    );
  }
  const weights = path.endsWith(".safetensors") && !info.isDirectory ? basename(path) : weightsName;
  return { configPath: join(folder, configName), weightsPath: join(folder, weights) };
}

async function readConfig(configPath: string, asked: string): Promise<string> {
  try {
    return await Deno.readTextFile(configPath);
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? `it has no ${configName}, expected ${configName} and ${weightsName} (SAELens format)`
      : (error as Error).message;
    throw new Error(`cannot load an SAE from ${asked}: ${why}`, { cause: error });
  }
}

function checkShape(file: SafetensorsFile, name: string, wanted: number[], words: string): void {
  const entry = file.tensors.get(name);
  const numbers = `[${wanted.join(", ")}]`;
  if (!entry) {
    const found = [...file.tensors.keys()].slice(0, 12).join(", ") || "no tensor";
    throw new Error(
      `${name} is missing, expected ${words} = ${numbers}, found ${found} in ${file.path}`,
    );
  }
  if (entry.shape.join() !== wanted.join()) {
    throw new Error(
      `${name} is [${entry.shape.join(", ")}], expected ${words} = ${numbers} in ${file.path}`,
    );
  }
}

/** The rows of the transpose of `source` [rows, cols], in pieces that share one buffer. */
function* transposedPieces(
  source: Float32Array,
  rows: number,
  cols: number,
): Generator<Float32Array> {
  const step = Math.min(cols, Math.max(1, Math.floor(pieceElements / rows)));
  const piece = new Float32Array(step * rows);
  for (let c = 0; c < cols; c += step) {
    const count = Math.min(step, cols - c);
    transposeBlock(source, c, cols, rows, count, piece, 0, rows);
    yield piece.subarray(0, count * rows);
  }
}

/** Reads a tensor [rows, cols] as its transpose, [cols, rows]. */
async function readTransposed(
  file: SafetensorsFile,
  name: string,
  rows: number,
  cols: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const data = new Float32Array(rows * cols);
  const step = Math.min(rows, Math.max(1, Math.floor(pieceElements / cols)));
  const piece = new Float32Array(step * cols);
  for (let r = 0; r < rows; r += step) {
    signal?.throwIfAborted();
    const count = Math.min(step, rows - r);
    await file.read(name, r * cols, piece.subarray(0, count * cols));
    transposeBlock(piece, 0, cols, count, cols, data, r, rows);
  }
  return data;
}

/** z·‖w‖ selects and f/‖w‖ decodes: the same as an encoder scaled by ‖w‖ and a decoder of norm 1. */
function foldDecoderNorm({ dModel: d, wEnc, bEnc, wDec }: Sae): void {
  for (let i = 0; i < bEnc.length; i++) {
    const encoder = wEnc.subarray(i * d, (i + 1) * d);
    const decoder = wDec.subarray(i * d, (i + 1) * d);
    const norm = Math.sqrt(decoder.reduce((sum, w) => sum + w * w, 0));
    for (let j = 0; j < d; j++) encoder[j] *= norm;
    bEnc[i] *= norm;
    // A row of zeros decodes to zero whatever its scale.
    if (norm > 0) { for (let j = 0; j < d; j++) decoder[j] /= norm; }
  }
}
