import type { Matrix } from "../matrix.ts";

/** A model whose activations are kept. */
export interface ReadModel {
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
}

// 64 rows of 128 tokens at d = 8,192. What is beyond it is computed each time.
const MOST_BYTES = 2 ** 28;

/**
 * The model, with the activations of token rows that it was asked for kept in memory: reconstruction and
 * cross-entropy of several SAEs read the same rows, and the layers below the hook are run once. Each answer is a
 * copy, with the bits of the first.
 *
 * @param mostBytes Activations are kept as long as all together take at most so much.
 */
export function keepActivations<Model extends ReadModel>(
  model: Model,
  mostBytes = MOST_BYTES,
): Model {
  const kept = new Map<string, Promise<Matrix>>();
  let bytes = 0;
  return {
    ...model,
    async activations(tokens, rows) {
      const key = `${rows}: ${tokens.join()}`;
      const found = kept.get(key);
      if (found) return copyOf(await found);
      const asked = model.activations(tokens, rows);
      kept.set(key, asked);
      try {
        const all = await asked;
        if (bytes + all.data.byteLength > mostBytes) {
          kept.delete(key);
          return all;
        }
        bytes += all.data.byteLength;
        return copyOf(all);
      } catch (error) {
        kept.delete(key);
        throw error;
      }
    },
  };
}

/** Arrays that a model is given are taken away from the caller. */
function copyOf({ data, rows, cols }: Matrix): Matrix {
  return { data: data.slice(), rows, cols };
}
