import { type Batches, openStream } from "../batches.ts";
import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkWhole } from "../whole_number.ts";

/** Options of {@linkcode shuffleRows}. */
export interface ShuffleRowsOptions {
  /** Rows in the shuffle buffer; memory is `bufferRows · cols · 4` bytes. */
  bufferRows: number;
  /** Rows per batch. */
  batchSize: number;
  /** Seed of the order, a whole number. */
  seed: number;
  /** Whether the last rows that do not fill a batch are returned in a smaller one; false if not given. */
  keepLast?: boolean;
}

/**
 * Shuffles a stream of rows with a buffer: once it is full, each new row replaces a uniformly drawn one,
 * which is emitted; at the end the rest is emitted in random order. Each row takes one random number and
 * two copies, and is emitted exactly once.
 *
 * @param batches Rows, in matrices of any number of rows and the same number of columns. They are
 * copied: the source may reuse its buffer.
 * @returns Batches of `batchSize` rows, each in a buffer of its own, which may be kept or transferred.
 * @throws {RangeError} `bufferRows` or `batchSize` is not a whole number above 0, or the seed is not a
 * whole number.
 * @throws {Error} While batches are read: a matrix has another width than the first.
 */
export function shuffleRows(
  batches: Batches,
  options: ShuffleRowsOptions,
): AsyncGenerator<Matrix> {
  checkWhole(options.bufferRows, "bufferRows");
  checkWhole(options.batchSize, "batchSize");
  // Checks the seed before the source is opened.
  createRandom(options.seed);
  return shuffle(batches, options);
}

async function* shuffle(
  batches: Batches,
  { bufferRows, batchSize, seed, keepLast = false }: ShuffleRowsOptions,
): AsyncGenerator<Matrix> {
  const random = createRandom(seed);
  let cols = -1;
  let buffer = new Float32Array();
  let held = 0;
  let out = new Float32Array();
  let filled = 0;

  const emit = (row: number): void => {
    if (filled === 0) out = new Float32Array(batchSize * cols);
    out.set(buffer.subarray(row * cols, (row + 1) * cols), filled++ * cols);
  };
  const take = (): Matrix => {
    filled = 0;
    return { data: out, rows: batchSize, cols };
  };

  for await (const { data, rows, cols: width } of openStream(batches)) {
    if (cols < 0) {
      cols = width;
      buffer = new Float32Array(bufferRows * cols);
    }
    if (width !== cols || data.length !== rows * width) {
      throw new Error(
        `a batch is [${rows}, ${width}] with ${data.length} elements, expected ${cols} columns`,
      );
    }
    for (let r = 0; r < rows; r++) {
      let place = held;
      if (held < bufferRows) held++;
      else emit(place = random.below(bufferRows));
      buffer.set(data.subarray(r * cols, (r + 1) * cols), place * cols);
      if (filled === batchSize) yield take();
    }
  }
  while (held > 0) {
    const place = random.below(held--);
    emit(place);
    buffer.copyWithin(place * cols, held * cols, (held + 1) * cols);
    if (filled === batchSize) yield take();
  }
  if (keepLast && filled > 0) {
    yield { data: out.slice(0, filled * cols), rows: filled, cols };
  }
}
