// Meta-SAEs in plain float64.
import type { Matrix } from "../../lib/matrix.ts";
import { normal } from "../../lib/meta/normal.ts";
import { createRandom } from "../../lib/random.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";
import { toDense } from "./sparse.ts";

/** Activations [rows, meta-latents] of rows, their squared errors and the fraction of variance explained. */
export function takeApart(meta: Sae, rows: Matrix): {
  weights: Float64Array;
  squaredErrors: number[];
  explainedVariance: number;
  singleErrors: number[];
  variance: number;
} {
  const { codes, squaredErrors } = infer(meta, rows);
  return {
    singleErrors: squaredErrors.map((_, r) => bestSingle(meta, rows, r)),
    variance: scatter(rows) / rows.rows,
    weights: toDense(codes, meta.dictSize),
    squaredErrors,
    explainedVariance: 1 - squaredErrors.reduce((sum, e) => sum + e, 0) / scatter(rows),
  };
}

/** Smallest squared error of a row's reconstruction from the bias and one meta-latent: tries all. */
function bestSingle(meta: Sae, { data, cols }: Matrix, r: number): number {
  const left = Float64Array.from(
    data.subarray(r * cols, (r + 1) * cols),
    (value, c) => value - meta.bDec[c],
  );
  let least = left.reduce((sum, value) => sum + value ** 2, 0);
  for (let i = 0; i < meta.dictSize; i++) {
    const direction = meta.wDec.subarray(i * cols, (i + 1) * cols);
    let [along, squares] = [0, 0];
    direction.forEach((value, c) => {
      along += value * left[c];
      squares += value * value;
    });
    const weight = Math.max(0, along / squares);
    let error = 0;
    direction.forEach((value, c) => error += (left[c] - weight * value) ** 2);
    least = Math.min(least, error);
  }
  return least;
}

/** Mean and covariance [d, d] of rows. */
export function rowMoments({ data, rows, cols }: Matrix): {
  mean: Float64Array;
  covariance: Float64Array;
} {
  const mean = new Float64Array(cols);
  const covariance = new Float64Array(cols * cols);
  for (let c = 0; c < cols; c++) {
    for (let r = 0; r < rows; r++) mean[c] += data[r * cols + c] / rows;
  }
  for (let i = 0; i < cols; i++) {
    for (let j = 0; j < cols; j++) {
      for (let r = 0; r < rows; r++) {
        covariance[i * cols + j] += (data[r * cols + i] - mean[i]) *
          (data[r * cols + j] - mean[j]) / rows;
      }
    }
  }
  return { mean, covariance };
}

/** Normally distributed rows with the mean and covariance of `source`, scaled to norm 1: w̄ + Σ g · (w − w̄) / √m. */
export function gaussianMixture(source: Matrix, rows: number, seed: number): Matrix {
  const { cols } = source;
  const { mean } = rowMoments(source);
  const random = createRandom(seed);
  const data = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const row = Float64Array.from(mean);
    for (let i = 0; i < source.rows; i++) {
      const g = normal(random) / Math.sqrt(source.rows);
      for (let c = 0; c < cols; c++) row[c] += g * (source.data[i * cols + c] - mean[c]);
    }
    data.set(row.map((value) => value / Math.hypot(...row)), r * cols);
  }
  return { data, rows, cols };
}

/** Σ‖w − w̄‖². */
function scatter({ data, rows, cols }: Matrix): number {
  let sum = 0;
  for (let c = 0; c < cols; c++) {
    let mean = 0;
    for (let r = 0; r < rows; r++) mean += data[r * cols + c] / rows;
    for (let r = 0; r < rows; r++) sum += (data[r * cols + c] - mean) ** 2;
  }
  return sum;
}

/** The similarity of each latent to one latent: the dot product of their meta-latent activations. */
export function ties(weights: Float64Array, metaLatents: number, latent: number): number[] {
  const row = (i: number) => [...weights.slice(i * metaLatents, (i + 1) * metaLatents)];
  const own = row(latent);
  return Array.from(
    { length: weights.length / metaLatents },
    (_, i) => i === latent ? 0 : row(i).reduce((sum, value, j) => sum + value * own[j], 0),
  );
}
