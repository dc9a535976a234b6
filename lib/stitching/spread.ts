import type { Matrix } from "../matrix.ts";

/** Sums over samples from which their variance follows. */
export interface Spread {
  /** Takes samples in, [rows, d]. */
  add(batch: Matrix): void;
  /** Σ‖x − x̄‖² over all samples so far, x̄ being their mean. */
  variance(): number;
}

/** Σ‖x − x̄‖² from sums over samples. */
export function createSpread(d: number): Spread {
  const sums = new Float64Array(d);
  let squares = 0;
  let samples = 0;
  return {
    add({ data, rows }) {
      for (let at = 0; at < data.length; at += d) {
        for (let c = 0; c < d; c++) {
          sums[c] += data[at + c];
          squares += data[at + c] ** 2;
        }
      }
      samples += rows;
    },
    variance: () => squares - sums.reduce((total, sum) => total + sum * sum, 0) / samples,
  };
}
