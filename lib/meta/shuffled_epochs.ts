import { partSeed, permutation } from "../activations/permutation.ts";
import type { Matrix } from "../matrix.ts";

/**
 * Batches over the rows of a matrix, epoch after epoch without end, each epoch in an order of its own
 * that the seed fixes. A batch may run from one epoch into the next, so that all are of one size and
 * every row is seen once an epoch.
 *
 * @param batchSize Rows of a batch; may be above the number of rows.
 * @param firstBatch Number of the first batch given, from 0: the rest of a stream needs no beginning.
 * @throws {RangeError} The seed is not a whole number.
 */
export function* shuffledEpochs(
  { data, rows, cols }: Matrix,
  batchSize: number,
  seed: number,
  firstBatch = 0,
): Generator<Matrix> {
  let place = firstBatch * batchSize;
  let epoch = -1;
  let order: Uint32Array = new Uint32Array();
  while (true) {
    const batch = new Float32Array(batchSize * cols);
    for (let r = 0; r < batchSize; r++, place++) {
      const own = Math.floor(place / rows);
      if (own !== epoch) order = permutation(rows, partSeed(seed, epoch = own));
      const row = order[place - own * rows];
      batch.set(data.subarray(row * cols, (row + 1) * cols), r * cols);
    }
    yield { data: batch, rows: batchSize, cols };
  }
}
