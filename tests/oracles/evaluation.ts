// Reconstruction and sparsity of an SAE in plain float64, from all samples at once.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { infer } from "./inference.ts";

/** Sums over samples; the samples' mean is computed in a first pass. */
export function evaluate(sae: Sae, batches: Matrix[], selection?: "threshold" | "batch") {
  const m = sae.dictSize;
  const d = sae.dModel;
  const samples: number[][] = [];
  const reconstructed: number[][] = [];
  const errors: number[] = [];
  const counts: number[] = [];
  const density = Array(m).fill(0);
  for (const batch of batches) {
    const { codes, squaredErrors, reconstruction } = infer(sae, batch, selection);
    for (let r = 0; r < batch.rows; r++) {
      samples.push([...batch.data.subarray(r * d, (r + 1) * d)]);
      reconstructed.push([...reconstruction.subarray(r * d, (r + 1) * d)]);
      errors.push(squaredErrors[r]);
      const latents = codes.latents.slice(codes.offsets[r], codes.offsets[r + 1]);
      counts.push(latents.length);
      for (const latent of latents) density[latent]++;
    }
  }
  const n = samples.length;
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const mean = samples[0].map((_, c) => sum(samples.map((x) => x[c])) / n);
  const spread = sum(samples.map((x) => sum(x.map((value, c) => (value - mean[c]) ** 2))));
  const dot = (a: number[], b: number[]) => sum(a.map((value, c) => value * b[c]));
  const norm = (a: number[]) => Math.sqrt(dot(a, a));
  const pairs = samples.map((x, r) => [x, reconstructed[r]]);
  const histogram = Array(Math.max(...counts) + 1).fill(0);
  for (const count of counts) histogram[count]++;
  return {
    samples: n,
    mse: sum(errors) / n,
    nmse: sum(errors) / spread,
    explainedVariance: 1 - sum(errors) / spread,
    l0: sum(counts) / n,
    l2Ratio: sum(pairs.map(([x, y]) => norm(y) / norm(x))) / n,
    relativeReconstructionBias: sum(pairs.map(([, y]) => dot(y, y))) /
      sum(pairs.map(([x, y]) => dot(x, y))),
    cossim: sum(pairs.map(([x, y]) => dot(x, y) / (norm(x) * norm(y)))) / n,
    l0Histogram: histogram,
    density: density.map((count) => count / n),
    deadLatents: density.filter((count) => count === 0).length,
  };
}
