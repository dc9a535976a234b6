/// <reference lib="dom" />
// What encodes the reader's own text in the page; a script of its own, fetched when it is needed.
import { Tokenizer } from "@huggingface/tokenizers";
import { openDevice } from "../../device/device.ts";
import { isByteLevel, wordText } from "../../language_model/token_text.ts";
import { openInference } from "../../sae/inference.ts";
import type { Matrix } from "../../matrix.ts";
import type { Sae } from "../../sae/sae.ts";
import type { OwnText, SiteModel } from "../site_manifest.ts";

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

/** A model's layers up to a hook, ready to run. */
export interface PageModel {
  /**
   * Activations of a text's tokens, BOS left out: of that position SAEs know nothing.
   *
   * @param context Most tokens of a row, BOS included.
   */
  run(text: string, context: number): Promise<ModelRun>;
}

/** What a model gave for a text. */
export interface ModelRun {
  /** Texts of the tokens. */
  tokens: string[];
  /** Activations [tokens, d]. */
  x: Matrix;
  /** Whether the text was longer than a row. */
  cut: boolean;
}

/** A model and an SAE, ready. */
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
 * Opens a model of the site.
 *
 * @param base Address of the site.
 * @throws {Error} A file is missing or damaged.
 */
export async function openPageModel(about: SiteModel, base: string): Promise<PageModel> {
  const { path, tensor, inputs, bosToken } = about;
  const at = (name: string) => new URL(name, base).href;
  const [ort, prefix, tokenizerJson, tokenizerConfig] = await Promise.all([
    import(at("ort/ort.mjs")) as Promise<Ort>,
    get(at(`${path}prefix.onnx`)).then((response) => response.arrayBuffer()),
    get(at(`${path}tokenizer.json`)).then((response) => response.json()),
    get(at(`${path}tokenizer_config.json`)).then((response) => response.json()),
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
  const run = async (text: string, context: number): Promise<ModelRun> => {
    const ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
    const kept = ids.slice(0, context - 1);
    const tokens = kept.map((id) => wordText(tokenizer.id_to_token(id), id, byteLevel));
    const cut = kept.length < ids.length;
    if (kept.length === 0) {
      return { tokens, cut, x: { data: new Float32Array(), rows: 0, cols: 0 } };
    }
    const row = Int32Array.of(bosToken, ...kept);
    const feeds: Record<string, unknown> = {};
    for (const { name, type } of inputs) {
      const values = name === "input_ids"
        ? row
        : name === "attention_mask"
        ? new Int32Array(row.length).fill(1)
        : row.map((_, i) => i);
      const data = type === "int64" ? BigInt64Array.from(values, BigInt) : values;
      feeds[name] = new ort.Tensor(type, data, [1, row.length]);
    }
    const { data } = (await session.run(feeds))[tensor];
    const cols = data.length / row.length;
    const x = { data: Float32Array.from(data.subarray(cols)), rows: kept.length, cols };
    return { tokens, cut, x };
  };
  return { run: oneAtATime(run) };
}

/**
 * Opens an SAE of the site for own text.
 *
 * @param model Its model, of {@linkcode openPageModel}.
 * @param base Address of the site.
 * @throws {Error} A file is missing or damaged.
 */
export async function openOwn(
  model: PageModel,
  own: OwnText,
  base: string,
): Promise<OwnEncoder> {
  const weights = await (await get(new URL(`${own.path}sae.bin`, base).href)).arrayBuffer();
  const device = await openDevice({ workers: 0, integerProduct: false, denseStep: false });
  const inference = openInference(device, readSae(own, weights));
  const run = async (text: string): Promise<EncodedText> => {
    const { x, ...common } = await model.run(text, own.context);
    const codes = x.rows === 0
      ? { rowOffsets: new Uint32Array(1), latents: new Uint32Array(), values: new Float32Array() }
      : (await inference.run(x)).codes;
    const { rowOffsets, latents, values } = codes;
    return { ...common, device: device.name, rowOffsets, latents, values };
  };
  return { run: oneAtATime(run) };
}

/** Sessions and devices take one run at a time: each waits for the one before. */
function oneAtATime<A extends unknown[], T>(
  run: (...args: A) => Promise<T>,
): (...args: A) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (...args) => {
    const next = last.catch(() => {}).then(() => run(...args));
    last = next;
    return next;
  };
}

async function get(address: string): Promise<Response> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} cannot be read: ${response.status}`);
  return response;
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
