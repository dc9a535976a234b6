import type { ActivationModel } from "../../lib/activations/ordered_activations.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { randomMatrix } from "../gpu_helper.ts";

/** Width of the planted activations. */
export const D = 8;

/** Whether the token at a place of the text is massive: 3 in 10,000. */
export const isPlanted = (token: number): boolean =>
  token === 1 || token === 3000 || token === 7000;

/**
 * A model whose activation of token t is row t of a random matrix, 100 times as large where it is
 * planted. Token t is the t-th of the text, whatever the text is. BOS is token 0.
 */
export function plantedModel(tokens: number): ActivationModel {
  const table = randomMatrix(5, tokens + 1, D);
  for (let token = 0; token <= tokens; token++) {
    if (!isPlanted(token)) continue;
    const row = table.data.subarray(token * D, (token + 1) * D);
    row.forEach((value, at) => row[at] = 100 * value);
  }
  return {
    id: "planted",
    dModel: D,
    maxContext: 64,
    bosToken: 0,
    tokenize: () => Int32Array.from({ length: tokens }, (_, at) => at + 1),
    activations(ids) {
      const data = new Float32Array(ids.length * D);
      ids.forEach((id, at) => data.set(table.data.subarray(id * D, (id + 1) * D), at * D));
      return Promise.resolve({ data, rows: ids.length, cols: D });
    },
  };
}

/** A stream without the rows whose norm is above `most`: the oracle. */
export async function* below(
  most: number,
  batches: AsyncIterable<Matrix> | Iterable<Matrix>,
): AsyncGenerator<Matrix> {
  for await (const { data, cols } of batches) {
    const kept: number[] = [];
    for (let at = 0; at < data.length; at += cols) {
      const row = data.slice(at, at + cols);
      if (Math.hypot(...row) <= most) kept.push(...row);
    }
    yield { data: Float32Array.from(kept), rows: kept.length / cols, cols };
  }
}

/** The numbers of batches, one after another. */
export async function numbersOf(
  batches: AsyncIterable<Matrix> | Iterable<Matrix>,
): Promise<Float32Array> {
  const all: number[] = [];
  for await (const { data } of batches) for (const value of data) all.push(value);
  return Float32Array.from(all);
}
