import type { Matrix } from "../matrix.ts";
import { isWhole } from "../whole_number.ts";

/** Rows of a matrix, and the factors that scale them to norm 1. */
export interface UnitRows {
  /** The unscaled rows. */
  matrix: Matrix;
  /** 1 / ‖row‖, or 0 for a row of zeros. */
  scales: Float64Array;
  /** Number of vec4 per row, ⌈cols / 4⌉. */
  steps: number;
}

/**
 * Computes the norms of a matrix's rows in float64, so that squares of float32 numbers neither overflow
 * nor underflow.
 *
 * @throws {RangeError} The matrix has no rows, its data has another length than rows · cols, or a number
 * is not finite; the message has its row and column.
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

/** Scales rows of `d` finite numbers to norm 1 in place, as {@linkcode packRows} does; over rows. */
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
 * Copies `count` rows from row `first` on, scaled to norm 1, in panels of `panel` rows: [panels, steps,
 * panel, 4], padded with zeros. Vector c of row j of panel p is element (p · steps + c) · panel + j, so that
 * threads with neighbouring rows read neighbouring vectors, and a panel is contiguous.
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
