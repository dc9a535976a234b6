import { createHash, type Hash } from "node:crypto";
import { dirname, join } from "@std/path";
import { readRegularText } from "../language_model/regular_file.ts";
import { parseSaeConfig, type SaeConfig } from "./sae_config.ts";
import {
  type Elements,
  openSafetensors,
  type SafetensorsFile,
  type TensorSource,
} from "./safetensors.ts";
import type { TensorFile } from "./tensor_file.ts";

/**
 * Where the config of earlier weights lies while the files of an SAE are replaced: weights of other
 * programs and of earlier versions do not hold their config themselves.
 */
export const CONFIG_BEFORE = ".cfg.json.before";

/** Key of the config in the weights' `__metadata__`. */
const CONFIG_KEY = "saewing_config";

/**
 * What `saveSae` adds to the `__metadata__` of weights: the text of the `cfg.json` that belongs to
 * them, and a SHA-256 over that text and all tensors in the order of the file. SAELens reads neither.
 * 98,304 latents at d = 768 (604 MB): 0.4 s.
 */
export function seal(
  config: string,
  tensors: Record<string, TensorSource>,
): Record<string, string> {
  const hash = createHash("sha256").update(config);
  for (const { data } of Object.values(tensors)) {
    for (const piece of ArrayBuffer.isView(data) ? [data] : data) addBytes(hash, piece);
  }
  return { [CONFIG_KEY]: config, sha256: hash.digest("hex") };
}

/**
 * A weights file whose tensors are summed up while they are read, each whole and in the order of the file, and
 * a check for when all are read. Files without a checksum pass: those of others and of earlier versions.
 */
export function checkedWeights(file: SafetensorsFile): { file: TensorFile; check(): void } {
  const { [CONFIG_KEY]: config, sha256 } = file.metadata;
  if (sha256 === undefined || config === undefined) return { file, check() {} };
  const hash = createHash("sha256").update(config);
  return {
    file: {
      ...file,
      async read(name, start, into) {
        await file.read(name, start, into);
        addBytes(hash, into);
      },
    },
    check() {
      if (hash.digest("hex") === sha256) return;
      throw new Error(
        `${file.path} is damaged: its checksum (SHA-256) is not the one that was saved with it`,
      );
    },
  };
}

/**
 * The text of an SAE's `cfg.json` and the file that it is from. Where `cfg.json` is missing since saving was
 * interrupted, that is the weights themselves, else the config that was set aside.
 *
 * @returns undefined where there is none.
 */
export async function findConfig(
  config: string,
  weights: string,
): Promise<{ path: string; text: string } | undefined> {
  const text = readIfThere(config);
  if (text !== undefined) return { path: config, text };
  await using file = await openSafetensors(weights);
  const { [CONFIG_KEY]: own } = file.metadata;
  if (own !== undefined) return { path: weights, text: own };
  const path = join(dirname(config), CONFIG_BEFORE);
  const before = readIfThere(path);
  return before === undefined ? undefined : { path, text: before };
}

/**
 * Checks that a `cfg.json` of ours describes the function of the weights beside it. Its notes may be
 * edited; without our marker in it, it is another program's and is taken at its word.
 *
 * @throws {Error} It does not: it is damaged, or belongs to other weights.
 */
export function checkBelongs(
  path: string,
  { metadata: _, ...config }: SaeConfig,
  file: SafetensorsFile,
  overrides?: Readonly<Record<string, unknown>>,
): void {
  const { [CONFIG_KEY]: text } = file.metadata;
  if (!config.own || text === undefined) return;
  const { metadata: __, ...saved } = parseSaeConfig(file.path, text, overrides);
  for (const name of Object.keys({ ...config, ...saved }) as (keyof typeof saved)[]) {
    if (Object.is(config[name], saved[name])) continue;
    throw new Error(
      `${path} says ${name} ${
        config[name] ?? "is none"
      }, but the weights beside it were saved with ` +
        `${saved[name] ?? "none"}: it is damaged or belongs to other weights`,
    );
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readRegularText(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function addBytes(hash: Hash, { buffer, byteOffset, byteLength }: Elements): void {
  const step = 2 ** 26;
  for (let at = 0; at < byteLength; at += step) {
    hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(step, byteLength - at)));
  }
}
