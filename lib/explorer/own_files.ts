import { exportPrefix } from "../language_model/prefix_file.ts";
import type { Sae } from "../sae/sae.ts";
import type { OwnText, SiteModel } from "./site_manifest.ts";

/** A model's layers up to a hook, as files for the explorer's page. */
export interface ModelFiles {
  /** Description in `site.json`. */
  about: Omit<SiteModel, "path">;
  /** The layers, the tokenizer, the text. */
  files: { name: string; bytes: Uint8Array<ArrayBuffer> }[];
}

/** An SAE and its model, with which the page encodes own text. SAEs of one hook share the model. */
export interface OwnFiles {
  /** The model's layers up to the SAE's hook. */
  model: ModelFiles;
  /** Description of the SAE in `site.json`. */
  about: Omit<OwnText, "model" | "path">;
  /** The SAE's weights. */
  files: { name: string; bytes: Uint8Array<ArrayBuffer> }[];
}

/** Text that a page trains on. */
export interface PageTexts {
  /** Where it is from. */
  name: string;
  /** The documents. */
  documents: string[];
}

/**
 * Exports a model's layers up to a hook and its tokenizer, as files for a page; and text to train on there.
 *
 * @param model The model's folder or hub id.
 * @throws {Error} The model is not found, or is larger than 512 MiB up to the hook.
 */
export async function modelFiles(
  model: string,
  hook: string,
  { texts, ...options }: {
    texts?: PageTexts;
    cacheDir?: string;
    revision?: string;
    signal?: AbortSignal;
  } = {},
): Promise<ModelFiles> {
  const { bytes, tokenizer, ...prefix } = await exportPrefix(model, { hook, ...options });
  const encoder = new TextEncoder();
  const about: ModelFiles["about"] = { ...prefix, bytes: bytes.length, id: model, hook };
  const files = [
    { name: "prefix.onnx", bytes },
    { name: "tokenizer.json", bytes: encoder.encode(tokenizer.json) },
    { name: "tokenizer_config.json", bytes: encoder.encode(tokenizer.config) },
  ];
  if (texts) {
    const { name, documents } = texts;
    files.push({ name: "texts.json", bytes: encoder.encode(JSON.stringify(documents)) });
    about.texts = { name, documents: documents.length };
  }
  return { about, files };
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
      prependBos: metadata.prependBos !== false,
      sae: { ...Object.fromEntries(rest), metadata: {} },
      arrays: arrays.map(([name, { length }]) => [name, length]),
    },
    files: [{ name: "sae.bin", bytes }],
  };
}
