// Meta-SAEs in plain float64.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";
import { toDense } from "./sparse.ts";

/** Weights [rows, meta-latents] of rows, their squared errors and what is explained of them. */
export function takeApart(meta: Sae, rows: Matrix): {
  weights: Float64Array;
  squaredErrors: number[];
  explainedVariance: number;
} {
  const { codes, squaredErrors } = infer(meta, rows);
  return {
    weights: toDense(codes, meta.dictSize),
    squaredErrors,
    explainedVariance: 1 - squaredErrors.reduce((sum, e) => sum + e, 0) / scatter(rows),
  };
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

/** Strength of each latent's tie with one latent: the dot product of their weights. */
export function ties(weights: Float64Array, metaLatents: number, latent: number): number[] {
  const row = (i: number) => [...weights.slice(i * metaLatents, (i + 1) * metaLatents)];
  const own = row(latent);
  return Array.from(
    { length: weights.length / metaLatents },
    (_, i) => i === latent ? 0 : row(i).reduce((sum, value, j) => sum + value * own[j], 0),
  );
}
