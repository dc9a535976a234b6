import { join as joinPath } from "@std/path";
import { v6 } from "../sae_helper.ts";
import { join } from "../zip_helper.ts";
import type { Malformed } from "./malformed.ts";

type Offsets = [begin: number, end: number];
type Tensor = { dtype: string; shape: number[]; data_offsets: Offsets };

const f32 = (shape: number[], begin: number, length: number): Tensor => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, begin + length],
});
/** The tensors of an SAE [d, m] = [2, 3]: 68 bytes. */
const sound: Record<string, Tensor> = {
  W_enc: f32([2, 3], 0, 24),
  W_dec: f32([3, 2], 24, 24),
  b_enc: f32([3], 48, 12),
  b_dec: f32([2], 60, 8),
};
const values = new Float32Array(17).map((_, i) => i);

function file(header: unknown, data: Uint8Array | Float32Array = values): Uint8Array {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  return join([lengthOf(BigInt(json.length)), json, new Uint8Array(data.buffer)]);
}

function lengthOf(length: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

/** The sound file with some of its entries changed; others move behind them. */
const changed = (tensors: Record<string, unknown>, data = values) => () =>
  file({ ...sound, ...tensors }, data);
/** The sound header with a key once more: in front of the rest, or in front of the first `before`. */
const twice = (key: string, value: unknown, before = '"W_enc":') =>
  JSON.stringify(sound).replace(before, `"${key}":${JSON.stringify(value)},${before}`);
const deep = `${"[".repeat(1e4)}${"]".repeat(1e4)}`;
const number = (at: number, value: number) => {
  const data = values.slice();
  data[at] = value;
  return file(sound, data);
};

const cases: [what: string, bytes: () => Uint8Array][] = [
  ["empty file", () => new Uint8Array()],
  ["seven bytes", () => new Uint8Array(7)],
  ["header of 2^63 bytes", () => join([lengthOf(2n ** 63n), new Uint8Array(16)])],
  ["header of 90 MB claimed", () => join([lengthOf(90_000_000n), new Uint8Array(16)])],
  ["header is a text", () => file("hello")],
  ["header is a million brackets", () => file("[".repeat(1e6))],
  ["a tensor twice", () => file(twice("W_enc", sound.W_enc))],
  ["a tensor twice, its name spelt otherwise", () => file(twice("W\\u005fenc", sound.W_enc))],
  ["two shapes", () => file(twice("shape", [3, 2], '"dtype":"F32",'))],
  ["w_enc beside W_enc", () => file({ ...sound, w_enc: f32([1], 68, 4) }, new Float32Array(18))],
  ["a shape 10,000 levels deep", () => file({ ...sound, b_dec: JSON.parse(deep) })],
  ["cut in the last tensor", () => file(sound).slice(0, -4)],
  ["rest after the last tensor", () => file(sound, new Float32Array(18))],
  ["unknown dtype", changed({ W_enc: { ...sound.W_enc, dtype: "F31" } })],
  ["dtype of whole numbers", changed({ W_enc: { ...sound.W_enc, dtype: "I32" } })],
  ["dtype of more bytes", changed({ W_enc: { ...sound.W_enc, dtype: "F64" } })],
  ["shape overflows", changed({ W_enc: { ...sound.W_enc, shape: [2 ** 31, 2 ** 31, 2 ** 31] } })],
  ["shape is negative", changed({ W_enc: { ...sound.W_enc, shape: [-2, -3] } })],
  ["tensors overlap", changed({ W_dec: f32([3, 2], 20, 24) })],
  ["two tensors in the same bytes", changed({ W_dec: f32([3, 2], 0, 24) })],
  ["gap between tensors", changed({ b_dec: f32([1], 64, 4) })],
  ["tensor past the end", changed({ b_dec: f32([2], 64, 8) })],
  ["offsets descend", changed({ b_dec: { ...sound.b_dec, data_offsets: [68, 60] } })],
  ["offset of 2^60", changed({ b_dec: { ...sound.b_dec, data_offsets: [60, 2 ** 60] } })],
  ["notes that are no texts", changed({ __metadata__: { format: 1 } })],
  ["W_enc transposed", changed({ W_enc: f32([3, 2], 0, 24) })],
  ["b_enc with two dimensions", changed({ b_enc: f32([1, 3], 48, 12) })],
  ["b_dec is missing", changed({ b_dec: undefined, other: f32([2], 60, 8) })],
  ["NaN in W_enc", () => number(1, NaN)],
  ["infinity in b_dec", () => number(16, Infinity)],
  ["a gated SAE's tensors", changed({ b_enc: undefined, b_gate: f32([3], 48, 12) })],
  ["a transcoder's tensors", changed({ b_dec: undefined, b_dec_out: f32([2], 60, 8) })],
  [
    "scaled activations that the config denies",
    changed({ scaling_factor: f32([3], 68, 12) }, new Float32Array(20).fill(2)),
  ],
  [
    "a threshold that ReLU has not",
    changed({ threshold: f32([3], 68, 12) }, new Float32Array(20).fill(2)),
  ],
];

/** Weights beside a sound `cfg.json` of SAELens. */
export const safetensors: Malformed[] = cases.map(([what, bytes]) => ({
  format: "safetensors",
  what,
  async make(folder) {
    await Deno.writeTextFile(joinPath(folder, "cfg.json"), JSON.stringify(v6));
    await Deno.writeFile(joinPath(folder, "sae_weights.safetensors"), bytes());
    return folder;
  },
}));
