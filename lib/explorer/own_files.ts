import { exportPrefix } from "../language_model/prefix_file.ts";
import type { Sae } from "../sae/sae.ts";
import type { OwnText, SiteModel } from "./site_manifest.ts";

type OwnFile = { name: string; bytes: Uint8Array<ArrayBuffer> };

/** A model's layers up to a hook, for pages: what `site.json` says of it, and its files. */
export interface ModelFiles {
  about: Omit<SiteModel, "path">;
  files: OwnFile[];
}

/** What encodes own text in a page: an SAE and its model. SAEs of one hook share the model. */
export interface OwnFiles {
  model: ModelFiles;
  about: Omit<OwnText, "model" | "path">;
  files: OwnFile[];
}

/**
 * Makes the files that let a page run a model up to a hook: the layers, the tokenizer.
 *
 * @param model The model's folder or hub id.
 * @throws {Error} The model is not found, or is too large for a page.
 */
export async function modelFiles(
  model: string,
  hook: string,
  options: { cacheDir?: string; revision?: string; signal?: AbortSignal } = {},
): Promise<ModelFiles> {
  const { bytes, tokenizer, ...about } = await exportPrefix(model, { hook, ...options });
  const encoder = new TextEncoder();
  return {
    about: { ...about, bytes: bytes.length },
    files: [
      { name: "prefix.onnx", bytes },
      { name: "tokenizer.json", bytes: encoder.encode(tokenizer.json) },
      { name: "tokenizer_config.json", bytes: encoder.encode(tokenizer.config) },
    ],
  };
}

/**
 * Makes the files that let a page encode text.
 *
 * @param model The model that the SAE reads, of {@linkcode modelFiles}.
 */
export function ownFiles(sae: Sae, model: ModelFiles): OwnFiles {
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
  return {
    model,
    about: {
      context: Math.min(context, model.about.maxContext),
      sae: { ...Object.fromEntries(rest), metadata: {} },
      arrays: arrays.map(([name, { length }]) => [name, length]),
    },
    files: [{ name: "sae.bin", bytes }],
  };
}
