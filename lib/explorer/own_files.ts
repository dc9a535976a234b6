import { exportPrefix } from "../language_model/prefix_file.ts";
import type { Sae } from "../sae/sae.ts";
import type { OwnText } from "./site_manifest.ts";

/** What encodes own text in a page: its description and its files. */
export interface OwnFiles {
  /** What `site.json` says of it. */
  text: OwnText;
  /** The files. */
  files: { name: string; bytes: Uint8Array<ArrayBuffer> }[];
}

/**
 * Makes the files that let a page encode text: the model's prefix, its tokenizer, the SAE's weights.
 *
 * @param model The model's folder or hub id.
 * @param hook The hook that the SAE reads.
 * @throws {Error} The model is not found, or is too large for a page.
 */
export async function ownFiles(
  sae: Sae,
  model: string,
  hook: string,
  options: { cacheDir?: string; revision?: string; signal?: AbortSignal } = {},
): Promise<OwnFiles> {
  const prefix = await exportPrefix(model, { hook, ...options });
  const { metadata, ...all } = sae;
  const arrays = Object.entries(all).filter(([, value]) => value instanceof Float32Array) as [
    string,
    Float32Array,
  ][];
  const rest = Object.entries(all).filter(([, value]) => !(value instanceof Float32Array));
  const bytes = new Uint8Array(arrays.reduce((sum, [, { byteLength }]) => sum + byteLength, 0));
  let at = 0;
  for (const [, values] of arrays) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  const { contextSize } = metadata;
  const context = typeof contextSize === "number" ? contextSize : 128;
  const encoder = new TextEncoder();
  return {
    text: {
      modelBytes: prefix.bytes.length,
      ...{ tensor: prefix.tensor, bosToken: prefix.bosToken, inputs: prefix.inputs },
      context: Math.min(context, prefix.maxContext),
      sae: { ...Object.fromEntries(rest), metadata: {} },
      arrays: arrays.map(([name, { length }]) => [name, length]),
    },
    files: [
      { name: "prefix.onnx", bytes: prefix.bytes },
      { name: "sae.bin", bytes },
      { name: "tokenizer.json", bytes: encoder.encode(prefix.tokenizer.json) },
      { name: "tokenizer_config.json", bytes: encoder.encode(prefix.tokenizer.config) },
    ],
  };
}
