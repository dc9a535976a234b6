import type { Matrix } from "../matrix.ts";

/** Skips the first `count` rows of a stream. The matrices are views of those of the source. */
export async function* dropRows(
  batches: AsyncIterable<Matrix> | Iterable<Matrix>,
  count: number,
): AsyncGenerator<Matrix> {
  let left = count;
  for await (const { data, rows, cols } of batches) {
    const dropped = Math.min(left, rows);
    left -= dropped;
    if (dropped < rows) {
      yield { data: data.subarray(dropped * cols), rows: rows - dropped, cols };
    }
  }
}
