import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { mixedError, mixedErrorChange } from "./mixed_bias.ts";
import { type StepPlan, type StitchingOptions, sumSteps } from "./sum_steps.ts";

/** What changes of an SAE do to its reconstruction and its sparsity, each made alone. */
export interface StitchingEffects {
  /** Number of samples. */
  samples: number;
  /** MSE before any change: mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /** Mean number of active latents a sample, before any change. */
  l0: number;
  /** Of each change: MSE with it less MSE without. Below 0 the reconstruction is better with it. */
  deltaMse: Float64Array;
  /**
   * Of each change: the part of deltaMse that is the decoder bias's. Eq. 5 mixes it anew with every
   * latent that comes or goes, active or not; deltaMse − deltaBias is what the latents do.
   */
  deltaBias: Float64Array;
  /** Of each change: L0 with it less L0 without. */
  deltaL0: Float64Array;
}

/**
 * Measures steps each of which starts from the base.
 *
 * @param counts Of each step: how many small latents it takes out, how many large ones it puts in.
 */
export async function measureApart(
  device: Device,
  small: Sae,
  large: Sae,
  plan: Omit<StepPlan, "apart">,
  counts: (step: number) => { removed: number; inserted: number },
  batches: Batches,
  options: StitchingOptions,
): Promise<StitchingEffects> {
  const sums = await sumSteps(device, small, large, { ...plan, apart: true }, batches, options);
  const { samples, base, bias } = sums;
  const before = { small: small.dictSize, large: plan.inserted?.length ?? 0 };
  const deltaMse = new Float64Array(plan.steps);
  const deltaBias = new Float64Array(plan.steps);
  const nothing = { squares: 0, projection: 0 };
  for (let step = 0; step < plan.steps; step++) {
    const { removed, inserted } = counts(step);
    const after = { small: before.small - removed, large: before.large + inserted };
    const change = { squares: sums.squares[step], projection: sums.projection[step] };
    deltaMse[step] = mixedErrorChange(base, change, bias, { before, after }) / samples;
    deltaBias[step] = mixedErrorChange(base, nothing, bias, { before, after }) / samples;
  }
  return {
    samples,
    mse: mixedError(base, bias, before) / samples,
    l0: base.active / samples,
    deltaMse,
    deltaBias,
    deltaL0: sums.active.map((count) => count / samples),
  };
}
