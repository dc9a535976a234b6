import type { Matrix } from "../matrix.ts";

/** Sums over samples for their variance, in float64. */
export interface SampleSums {
  /** Number of samples. */
  samples: number;
  /** Σ ‖x‖². */
  squares: number;
  /** Σ x, [d]. */
  activations: Float64Array;
}

/** Empty sums for samples of width d. */
export function createSampleSums(d: number): SampleSums {
  return { samples: 0, squares: 0, activations: new Float64Array(d) };
}

/** Adds samples [rows, d] to the sums. */
export function addSamples(sums: SampleSums, { data, rows, cols }: Matrix): void {
  let { squares } = sums;
  for (let at = 0; at < data.length; at += cols) {
    for (let c = 0; c < cols; c++) {
      const value = data[at + c];
      sums.activations[c] += value;
      squares += value * value;
    }
  }
  sums.squares = squares;
  sums.samples += rows;
}

/** Σ ‖x − x̄‖² over the samples, where x̄ is their mean. */
export function sampleVariance({ samples, squares, activations }: SampleSums): number {
  return squares - activations.reduce((total, sum) => total + sum * sum, 0) / samples;
}
