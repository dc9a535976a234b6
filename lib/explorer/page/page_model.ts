/// <reference lib="dom" />
// A model's layers up to a hook, run in the page's worker by ONNX Runtime.
import { Tokenizer } from "@huggingface/tokenizers";
import type { ActivationModel } from "../../activations/ordered_activations.ts";
import type { LanguageModel } from "../../language_model/language_model.ts";
import { isByteLevel, wordText } from "../../language_model/token_text.ts";
import type { SiteModel } from "../site_manifest.ts";

/** A model that gives activations in a page. */
export type OpenedModel = ActivationModel & Pick<LanguageModel, "tokenText">;

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
 * Reads a file of the site.
 *
 * @param base Address of the site.
 * @throws {Error} It cannot be read.
 */
export async function getFile(name: string, base: string): Promise<Response> {
  const response = await fetch(new URL(name, base));
  if (!response.ok) throw new Error(`${name} cannot be read: ${response.status}`);
  return response;
}

/**
 * Opens a model of a site.
 *
 * @param base Address of the site.
 * @throws {Error} A file is missing or damaged.
 */
export async function openPageModel(
  { path, id, inputs, tensor, bosToken, maxContext }: SiteModel,
  base: string,
): Promise<OpenedModel> {
  const at = (name: string) => new URL(name, base).href;
  const [ort, prefix, tokenizerJson, tokenizerConfig] = await Promise.all([
    import(at("ort/ort.mjs")) as Promise<Ort>,
    getFile(`${path}prefix.onnx`, base).then((response) => response.arrayBuffer()),
    getFile(`${path}tokenizer.json`, base).then((response) => response.json()),
    getFile(`${path}tokenizer_config.json`, base).then((response) => response.json()),
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
  const run = async (tokens: Int32Array, rows: number) => {
    const length = tokens.length / rows;
    const feeds: Record<string, unknown> = {};
    for (const { name, type } of inputs) {
      const values = name === "input_ids"
        ? tokens
        : name === "attention_mask"
        ? new Int32Array(tokens.length).fill(1)
        : tokens.map((_, i) => i % length);
      const data = type === "int64" ? BigInt64Array.from(values, BigInt) : values;
      feeds[name] = new ort.Tensor(type, data, [rows, length]);
    }
    const { data } = (await session.run(feeds))[tensor];
    return { data, rows: tokens.length, cols: data.length / tokens.length };
  };
  // One run after the other: the session takes one at a time.
  let last: Promise<unknown> = run(Int32Array.of(bosToken), 1);
  const { cols: dModel } = await (last as ReturnType<typeof run>);
  return {
    ...{ id, dModel, bosToken, maxContext },
    tokenize: (text) => Int32Array.from(tokenizer.encode(text, { add_special_tokens: false }).ids),
    tokenText: (token) => wordText(tokenizer.id_to_token(token), token, byteLevel),
    activations(tokens, rows) {
      const next = last.catch(() => {}).then(() => run(tokens, rows));
      last = next;
      return next;
    },
  };
}
