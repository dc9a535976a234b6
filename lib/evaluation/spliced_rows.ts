import {
  collectRows,
  defaultRowsPerRun,
  joinRows,
  type TokenRows,
} from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";
import { isMassive, type NormLimit, rowNorms, withoutRows } from "../sae/norm_limit.ts";

/** Per activation, whether it is replaced: its position is not skipped, and it is not massive. */
export function replacedActivations(
  x: Matrix,
  positions: boolean[],
  limit: NormLimit | "none",
): boolean[] {
  const norms = rowNorms(x);
  return Array.from(
    norms,
    (norm, row) => positions[row % positions.length] && !isMassive(norm, limit),
  );
}

/**
 * Groups token rows by runs of the model.
 *
 * @throws {RangeError} There are none, they differ in length, or are shorter than 2 tokens.
 */
export async function groupRows(
  tokenRows: TokenRows,
  requested: number | undefined,
): Promise<{ runs: { rows: number; data: Int32Array }[]; length: number }> {
  const all = await collectRows(tokenRows, "evaluate on");
  const length = all[0].length;
  if (length < 2) throw new RangeError(`token rows have ${length} tokens, expected at least 2`);
  const runs = [];
  const rowsPerRun = requested ?? defaultRowsPerRun(length);
  for (let first = 0; first < all.length; first += rowsPerRun) {
    const part = all.slice(first, first + rowsPerRun);
    runs.push({ rows: part.length, data: joinRows(part) });
  }
  return { runs, length };
}

/**
 * Per position of a row, whether it is replaced.
 *
 * @throws {RangeError} No position is left to measure.
 */
export function replacedPositions(length: number, skip: readonly number[]): boolean[] {
  const replaced = Array.from({ length }, (_, position) => !skip.includes(position));
  // The last position has no prediction to measure.
  if (!replaced.slice(0, -1).includes(true)) {
    throw new RangeError(
      `skipPositions leaves none of ${length} positions to measure, expected at least one`,
    );
  }
  return replaced;
}

/** The replaced rows of x. */
export function gather(x: Matrix, replaced: boolean[]): Matrix {
  return withoutRows(x, [...replaced.keys()].filter((row) => !replaced[row]));
}

/** Activations that are all `row`, except the kept ones, which are `own`. */
export function fill(replaced: boolean[], own: Matrix, row: Float64Array): Matrix {
  const { cols } = own;
  const data = new Float32Array(replaced.length * cols);
  let from = 0;
  for (const [at, one] of replaced.entries()) {
    if (one) data.set(row, at * cols);
    else data.set(own.data.subarray(from, from += cols), at * cols);
  }
  return { data, rows: replaced.length, cols };
}

/** A copy of x whose replaced rows are `value(index in the gathered rows)`. */
export function scatter(x: Matrix, replaced: boolean[], value: (at: number) => number): Matrix {
  const data = x.data.slice();
  let at = 0;
  for (let row = 0; row < x.rows; row++) {
    if (!replaced[row]) continue;
    for (let c = 0; c < x.cols; c++) data[row * x.cols + c] = value(at++);
  }
  return { ...x, data };
}
