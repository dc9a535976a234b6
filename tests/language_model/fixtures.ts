import { fromFileUrl } from "@std/path";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";

/** A small export with values that PyTorch computed. */
export interface Fixture {
  /** The model's folder. */
  folder: string;
  /** Token ids, [rows, length]. */
  tokens: Int32Array;
  rows: number;
  /** pre0, post0, … post2: [rows · length, 64]; logits: [rows · length, 96]. */
  values: Record<string, Float32Array>;
}

export const tinyGpt2 = fromFileUrl(new URL("../../examples/tiny-gpt2", import.meta.url));

export function loadFixture(name: string): Fixture {
  const folder = fromFileUrl(new URL(`../fixtures/onnx/${name}`, import.meta.url));
  const { rows, tokens, order } = JSON.parse(Deno.readTextFileSync(`${folder}/reference.json`));
  const all = new Float32Array(Deno.readFileSync(`${folder}/reference.f32`).buffer);
  const values: Record<string, Float32Array> = {};
  let at = 0;
  for (const key of order) {
    const size = tokens.length * (key === "logits" ? 96 : 64);
    values[key] = all.subarray(at, at += size);
  }
  return { folder, tokens: Int32Array.from(tokens), rows, values };
}

/** Loss in nats of each next token, in float64 from the logits [rows · length, vocabulary]. */
export function lossOfLogits({ tokens, rows, values: { logits } }: Fixture): number[] {
  const length = tokens.length / rows;
  const vocabulary = logits.length / tokens.length;
  const loss: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (i % length === length - 1) continue;
    const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
    const sum = row.reduce((total, logit) => total + Math.exp(logit), 0);
    loss.push(Math.log(sum) - row[tokens[i + 1]]);
  }
  return loss;
}

export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    // Written so that a NaN counts as a difference.
    if (!(difference <= most)) most = difference;
  }
  return most;
}

/** An initialiser's values, from the bytes of the file. */
export function weightOf(path: string, name: RegExp): Float32Array {
  const { graph } = readOnnxGraph(path);
  const tensor = graph.initializer.find((one) => name.test(one.name))!;
  // Up to 1 KiB is not left in the file.
  if (tensor.rawData.length > 0) return new Float32Array(tensor.rawData.slice().buffer);
  const entry = Object.fromEntries(tensor.externalData.map(({ key, value }) => [key, value]));
  const bytes = Deno.readFileSync(path).slice(Number(entry.offset));
  return new Float32Array(bytes.buffer, 0, Number(entry.length) / 4);
}
