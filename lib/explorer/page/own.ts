/// <reference lib="dom" />
// What encodes the reader's own text in the page; a script of its own, fetched when it is needed.
import { Tokenizer } from "@huggingface/tokenizers";
import { openDevice } from "../../device/device.ts";
import { isByteLevel, wordText } from "../../language_model/token_text.ts";
import { openInference } from "../../sae/inference.ts";
import type { Sae } from "../../sae/sae.ts";
import type { OwnText } from "../site_manifest.ts";

/** Activations of a text's tokens, in sparse rows, BOS left out. */
export interface EncodedText {
  /** Texts of the tokens. */
  tokens: string[];
  /** Entries of token t are from `rowOffsets[t]` to `rowOffsets[t + 1]` − 1. */
  rowOffsets: Uint32Array;
  /** Latent of each entry. */
  latents: Uint32Array;
  /** Activation of each entry. */
  values: Float32Array;
  /** Name of the device that encoded it. */
  device: string;
  /** Whether the text was longer than a row. */
  cut: boolean;
}

/** A model's prefix and an SAE, ready. */
export interface OwnEncoder {
  /** Encodes a text. */
  run(text: string): Promise<EncodedText>;
}

interface OrtTensor {
  data: Float32Array;
  dims: number[];
}

interface Ort {
  env: { wasm: { numThreads: number; wasmPaths: { wasm: string } }; logLevel: string };
  InferenceSession: {
    create(bytes: Uint8Array, options: object): Promise<{
      run(feeds: Record<string, unknown>): Promise<Record<string, OrtTensor>>;
    }>;
  };
  Tensor: new (type: string, data: unknown, dims: number[]) => unknown;
}

/**
 * Opens what a site has for own text.
 *
 * @param own What its files hold.
 * @param base Address of the site.
 * @throws {Error} A file is missing or damaged.
 */
export async function openOwn(
  own: OwnText & { path: string },
  base: string,
): Promise<OwnEncoder> {
  const at = (name: string) => new URL(name, base).href;
  const get = async (name: string) => {
    const response = await fetch(at(name));
    if (!response.ok) throw new Error(`${name} cannot be read: ${response.status}`);
    return response;
  };
  const [ort, prefix, weights, tokenizerJson, tokenizerConfig] = await Promise.all([
    import(at("ort/ort.mjs")) as Promise<Ort>,
    get(`${own.path}prefix.onnx`).then((response) => response.arrayBuffer()),
    get(`${own.path}sae.bin`).then((response) => response.arrayBuffer()),
    get(`${own.path}tokenizer.json`).then((response) => response.json()),
    get(`${own.path}tokenizer_config.json`).then((response) => response.json()),
  ]);
  // One thread: shared memory between threads needs headers that static servers do not send.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = { wasm: at("ort/ort.wasm") };
  const session = await ort.InferenceSession.create(new Uint8Array(prefix), {
    executionProviders: ["wasm"],
    logSeverityLevel: 3,
  });
  const tokenizer = new Tokenizer(tokenizerJson, tokenizerConfig);
  const byteLevel = isByteLevel(tokenizerJson.decoder);
  const device = await openDevice({ workers: 0, integerProduct: false, denseStep: false });
  const inference = openInference(device, readSae(own, weights));
  const run = async (text: string): Promise<EncodedText> => {
    const ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
    const kept = ids.slice(0, own.context - 1);
    const tokens = kept.map((id) => wordText(tokenizer.id_to_token(id), id, byteLevel));
    const common = { tokens, device: device.name, cut: kept.length < ids.length };
    if (kept.length === 0) {
      const none = { rowOffsets: new Uint32Array(1), latents: new Uint32Array() };
      return { ...common, ...none, values: new Float32Array() };
    }
    const row = Int32Array.of(own.bosToken, ...kept);
    const feeds: Record<string, unknown> = {};
    for (const { name, type } of own.inputs) {
      const values = name === "input_ids"
        ? row
        : name === "attention_mask"
        ? new Int32Array(row.length).fill(1)
        : row.map((_, i) => i);
      const data = type === "int64" ? BigInt64Array.from(values, BigInt) : values;
      feeds[name] = new ort.Tensor(type, data, [1, row.length]);
    }
    const { data } = (await session.run(feeds))[own.tensor];
    // Of the BOS position SAEs know nothing: it is left out in training.
    const cols = data.length / row.length;
    const x = { data: Float32Array.from(data.subarray(cols)), rows: kept.length, cols };
    const { rowOffsets, latents, values } = (await inference.run(x)).codes;
    return { ...common, rowOffsets, latents, values };
  };
  // One run after the other: the session and the device take one at a time.
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(text) {
      const next = last.catch(() => {}).then(() => run(text));
      last = next;
      return next;
    },
  };
}

function readSae({ sae, arrays }: OwnText, weights: ArrayBuffer): Sae {
  const total = arrays.reduce((sum, [, length]) => sum + 4 * length, 0);
  if (weights.byteLength !== total) {
    throw new Error(`sae.bin has ${weights.byteLength} bytes, expected ${total}`);
  }
  let from = 0;
  const read = arrays.map(([name, length]) => {
    const values = new Float32Array(weights, from, length);
    from += 4 * length;
    return [name, values] as const;
  });
  return { ...sae, ...Object.fromEntries(read) } as unknown as Sae;
}
