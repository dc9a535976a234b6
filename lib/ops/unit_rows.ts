import type { Matrix } from "../matrix.ts";
import { isWhole } from "../whole_number.ts";

/** Rows of a matrix with what brings each to norm 1. */
export interface UnitRows {
  /** The rows as they came. */
  matrix: Matrix;
  /** 1 / ‖row‖, or 0 for a row of zeros, which stays one. */
  scales: Float64Array;
  /** Vectors of four numbers that hold a row: ⌈cols / 4⌉. */
  steps: number;
}

/**
 * Measures the rows of a matrix, in float64: neither the largest nor the smallest float32 squared
 * leaves its range.
 *
 * @throws {RangeError} The matrix has no rows, not as many numbers as it says, or one that is not
 * finite: its row and column are named.
 */
export function unitRows(matrix: Matrix, name: string): UnitRows {
  const { data, rows, cols } = matrix;
  if (!(isWhole(rows, 1) && isWhole(cols, 1))) {
    throw new RangeError(`${name} is [${rows}, ${cols}], expected at least one row and one column`);
  }
  if (data.length !== rows * cols) {
    throw new RangeError(
      `${name} has ${data.length} numbers, expected [${rows}, ${cols}] = ${rows * cols}`,
    );
  }
  const scales = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const first = row * cols;
    const squares = sumSquares(data, first, cols);
    if (!Number.isFinite(squares)) {
      const col = data.subarray(first, first + cols).findIndex((value) => !Number.isFinite(value));
      throw new RangeError(
        `${name} is not finite in row ${row}, column ${col}: ${data[first + col]}`,
      );
    }
    scales[row] = scaleOf(squares);
  }
  return { matrix, scales, steps: Math.ceil(cols / 4) };
}

/** Brings rows of `d` finite numbers to norm 1 where they are, as {@linkcode packRows} does; over rows. */
export function makeUnitRows(
  { x, d }: { x: Float32Array; d: number },
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    const scale = scaleOf(sumSquares(x, row * d, d));
    for (let at = row * d; at < (row + 1) * d; at++) x[at] *= scale;
  }
}

function sumSquares(data: Float32Array, first: number, cols: number): number {
  let squares = 0;
  for (let at = first; at < first + cols; at++) squares += data[at] * data[at];
  return squares;
}

const scaleOf = (squares: number) => squares > 0 ? 1 / Math.sqrt(squares) : 0;

/**
 * Copies `count` rows from row `first` on, at norm 1, in panels of `panel` rows: [panels, steps, panel, 4].
 * Vector c of row j of panel p is element (p · steps + c) · panel + j; what no number belongs to is 0.
 * Threads that own neighbouring rows read neighbouring vectors, and a panel lies in one piece.
 */
export function packRows(
  { matrix, scales, steps }: UnitRows,
  first: number,
  count: number,
  panel: number,
): Float32Array {
  const { data, cols } = matrix;
  const packed = new Float32Array(Math.ceil(count / panel) * panel * steps * 4);
  for (let row = 0; row < count; row++) {
    const scale = scales[first + row];
    let from = (first + row) * cols;
    let to = (Math.floor(row / panel) * steps * panel + row % panel) * 4;
    for (let left = cols; left > 0; left -= 4) {
      for (let c = 0; c < Math.min(4, left); c++) packed[to + c] = data[from + c] * scale;
      from += 4;
      to += panel * 4;
    }
  }
  return packed;
}
