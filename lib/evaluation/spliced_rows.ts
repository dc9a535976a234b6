import {
  collectRows,
  defaultRowsPerRun,
  joinRows,
  type TokenRows,
} from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";
import { isMassive, type NormLimit, rowNorms, withoutRows } from "../sae/norm_limit.ts";

/** Whether each activation is replaced: neither its position is skipped, nor is it massive. */
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

/** Token rows, some to each run of the model; throws RangeError where there are none, or they differ in length. */
export async function groupRows(
  tokenRows: TokenRows,
  asked: number | undefined,
): Promise<{ runs: { rows: number; data: Int32Array }[]; length: number }> {
  const all = await collectRows(tokenRows, "evaluate on");
  const length = all[0].length;
  if (length < 2) throw new RangeError(`token rows have ${length} tokens, expected at least 2`);
  const runs = [];
  const rowsPerRun = asked ?? defaultRowsPerRun(length);
  for (let first = 0; first < all.length; first += rowsPerRun) {
    const part = all.slice(first, first + rowsPerRun);
    runs.push({ rows: part.length, data: joinRows(part) });
  }
  return { runs, length };
}

/** Whether each position of a row is replaced. */
export function replacedPositions(length: number, skip: readonly number[]): boolean[] {
  const replaced = Array.from({ length }, (_, position) => !skip.includes(position));
  // The last position predicts nothing that is measured.
  if (!replaced.slice(0, -1).includes(true)) {
    throw new RangeError(`skipPositions leaves nothing of ${length} positions to measure`);
  }
  return replaced;
}

/** The rows of x that are replaced. */
export function gather(x: Matrix, replaced: boolean[]): Matrix {
  return withoutRows(x, [...replaced.keys()].filter((row) => !replaced[row]));
}

/** Activations that are all one row, but for those that are kept. */
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

/** A copy of x whose replaced rows hold `value(index into the gathered rows)`. */
export function scatter(x: Matrix, replaced: boolean[], value: (at: number) => number): Matrix {
  const data = x.data.slice();
  let at = 0;
  for (let row = 0; row < x.rows; row++) {
    if (!replaced[row]) continue;
    for (let c = 0; c < x.cols; c++) data[row * x.cols + c] = value(at++);
  }
  return { ...x, data };
}
