import type { Matrix } from "./matrix.ts";

/** Mean of numbers; NaN of none. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** Mean over the rows of a matrix, [cols], in float64. */
export function columnMeans({ data, rows, cols }: Matrix): Float64Array {
  const sums = new Float64Array(cols);
  for (let at = 0; at < data.length; at += cols) {
    for (let c = 0; c < cols; c++) sums[c] += data[at + c];
  }
  return sums.map((sum) => sum / rows);
}
