import type { Gpu } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { activationTransform, transformActivations } from "../sae/activation_transform.ts";
import { type InferenceOptions, openInference } from "../sae/inference.ts";
import type { Sae } from "../sae/sae.ts";
import type { StitchedSae } from "../sae/stitched_sae.ts";

/** How well an SAE reconstructs activations, and how sparsely. */
export interface Evaluation {
  /** Number of samples. */
  samples: number;
  /** Mean over samples of Σ_d (x − x̂)², as in Table 2. */
  mse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ being the mean of the samples. */
  nmse: number;
  /** 1 − NMSE. */
  explainedVariance: number;
  /** Mean number of active latents a sample. */
  l0: number;
  /** l0Histogram[a] samples have exactly a active latents (Fig. 9); as long as the largest a needs. */
  l0Histogram: Uint32Array;
  /** Share of samples in which each latent is active, [m]. */
  density: Float64Array;
  /** Number of latents that are active in no sample. */
  deadLatents: number;
}

/**
 * Measures an SAE on activations (P9): reconstruction error, sparsity, use of its latents.
 *
 * @param batches Activations, [rows, d] each, in any number. Where `sae.metadata.activationTransform` is
 * "center", each is centred first, and all measures are those of the centred space.
 * @throws {RangeError} There are no activations, their width is not the SAE's, or one is not finite.
 */
export async function evaluateSae(
  gpu: Gpu,
  sae: Sae | StitchedSae,
  batches: AsyncIterable<Matrix> | Iterable<Matrix>,
  options: InferenceOptions = {},
): Promise<Evaluation> {
  const transform = activationTransform(sae);
  using inference = openInference(gpu, sae, options);
  const active = new Float64Array(sae.dictSize);
  const sums = new Float64Array(sae.dModel);
  const histogram: number[] = [];
  let samples = 0;
  let squaredErrors = 0;
  let squares = 0;
  let entries = 0;
  for await (const raw of batches) {
    const batch = transformActivations(raw, transform);
    const { codes, squaredErrors: errors } = await inference.run(batch);
    for (const latent of codes.latents) active[latent]++;
    for (let row = 0; row < codes.rows; row++) {
      const count = codes.rowOffsets[row + 1] - codes.rowOffsets[row];
      histogram[count] = (histogram[count] ?? 0) + 1;
      squaredErrors += errors[row];
    }
    for (let at = 0; at < batch.data.length; at += batch.cols) {
      for (let c = 0; c < batch.cols; c++) {
        const value = batch.data[at + c];
        sums[c] += value;
        squares += value * value;
      }
    }
    samples += batch.rows;
    entries += codes.latents.length;
  }
  if (samples === 0) throw new RangeError("there were no activations to evaluate on");
  const variance = squares - sums.reduce((total, sum) => total + sum * sum, 0) / samples;
  const nmse = squaredErrors / variance;
  return {
    samples,
    mse: squaredErrors / samples,
    nmse,
    explainedVariance: 1 - nmse,
    l0: entries / samples,
    l0Histogram: Uint32Array.from({ length: histogram.length }, (_, a) => histogram[a] ?? 0),
    density: active.map((count) => count / samples),
    deadLatents: active.reduce((dead, count) => dead + (count === 0 ? 1 : 0), 0),
  };
}
