import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatents } from "../sae/stitched_sae.ts";
import type { Batches } from "../batches.ts";
import { checkGroups, type LatentGroup } from "./latent_groups.ts";
import { type Measure, openPair, type Pair, readOnce, type StitchingOptions } from "./pair.ts";
import {
  type Gains,
  measureSteps,
  mixedError,
  mixedErrorChange,
  type Step,
  type StepOptions,
} from "./sum_steps.ts";

/** Effects of changes to an SAE on reconstruction and sparsity, each change made alone. */
export interface StitchingEffects {
  /** Number of samples. */
  samples: number;
  /** MSE before any change: mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /** Mean number of active latents per sample, before any change. */
  l0: number;
  /** Per change: MSE with it minus MSE without. Negative: the reconstruction is better with it. */
  deltaMse: Float64Array;
  /**
   * Per change: the part of deltaMse that is due to the decoder bias. Eq. 5 mixes the biases by
   * the number of latents, active or not; deltaMse − deltaBias is due to the latents.
   */
  deltaBias: Float64Array;
  /** Per change: L0 with it minus L0 without. */
  deltaL0: Float64Array;
}

/**
 * The effect of adding each latent of a large SAE, alone, to a small SAE (Fig. 4 and 21), in one pass
 * over the activations. Each latent keeps its own SAE's encoder and
 * threshold (of a topk SAE: it is active where it is in the whole SAE); the decoder bias is Eq. 5's, with
 * α = m₀ / (m₀ + 1), so that a latent that is never active changes the MSE too, a little: by deltaBias.
 *
 * @param device The open device.
 * @param small The SAE that is added to.
 * @param large The SAE whose latents are added.
 * @param batches Activations, [rows, d] each, in any number; read once.
 * @returns deltaMse, deltaBias and deltaL0, [m₁] each, and the small SAE's own MSE and L0. deltaL0 is the share of
 * samples in which a latent is active.
 * @throws {RangeError} The SAEs cannot be stitched, there are no activations, their width is not the
 * SAEs', or one is not finite.
 *
 * @example Latents that improve the small SAE most
 * ```ts ignore
 * const { deltaMse } = await latentEffects(device, small, large, batches);
 * const best = [...deltaMse.keys()].sort((a, b) => deltaMse[a] - deltaMse[b]).slice(0, 10);
 * ```
 */
export async function latentEffects(
  device: Device,
  small: Sae,
  large: Sae,
  batches: Batches,
  options: StitchingOptions = {},
): Promise<StitchingEffects> {
  using pair = openPair(device, small, large);
  return await readOnce(pair, batches, measureLatents(pair), options);
}

/** {@linkcode latentEffects} as a measure; `gains` scale the activations of each SAE. */
export function measureLatents(pair: Pair, gains?: Gains): Measure<StitchingEffects> {
  const none: number[] = [];
  const steps = Array.from(
    { length: pair.large.dictSize },
    (_, latent): Step => ({ removed: none, inserted: [latent] }),
  );
  return measureApart(pair, steps, { gains });
}

/** Options of {@linkcode swapEffects}. */
export interface SwapEffectsOptions extends StitchingOptions {
  /**
   * Latents of the large SAE that are present before each swap, in addition to the small SAE (default: none).
   * With the novel latents here, swaps are measured where an interpolation makes them.
   */
  inserted?: ArrayLike<number>;
}

/**
 * The effect of swapping each group of latents (Fig. 17): the group's small latents are removed from
 * the small SAE and its large ones inserted, each group alone. One pass over the activations for any
 * number of groups. The decoder bias is Eq. 5's with the current numbers of latents.
 *
 * @param device The open device.
 * @param small The SAE that is changed.
 * @param large The SAE whose latents are inserted.
 * @param groups The groups, as `latentGroups` finds them; either side of one may be empty.
 * @param batches Activations, [rows, d] each, in any number; read once.
 * @returns deltaMse, deltaBias and deltaL0, one number per group each, and MSE and L0 before a swap.
 * @throws {RangeError} A group holds a latent that its SAE does not have, that another group holds, or
 * that is present already; a group removes all latents; or as {@linkcode latentEffects} throws.
 */
export async function swapEffects(
  device: Device,
  small: Sae,
  large: Sae,
  groups: readonly LatentGroup[],
  batches: Batches,
  { inserted, ...options }: SwapEffectsOptions = {},
): Promise<StitchingEffects> {
  using pair = openPair(device, small, large);
  return await readOnce(pair, batches, measureSwaps(pair, groups, inserted), options);
}

/** {@linkcode swapEffects} as a measure. */
export function measureSwaps(
  pair: Pair,
  groups: readonly LatentGroup[],
  base: ArrayLike<number> = [],
): Measure<StitchingEffects> {
  const { small, large } = pair;
  checkGroups(groups, small, large);
  checkBase(groups, small, large, base);
  const steps = groups.map(({ small, large }) => ({ removed: small, inserted: large }));
  return measureApart(pair, steps, { base });
}

/** Steps each of which starts from the base. */
function measureApart(
  pair: Pair,
  steps: readonly Step[],
  options: Omit<StepOptions, "apart">,
): Measure<StitchingEffects> {
  const measure = measureSteps(pair, steps, { ...options, apart: true });
  return {
    add: measure.add,
    result(totals) {
      const { samples } = totals;
      const { base, bias, squares, projection, active } = measure.result(totals);
      const before = { small: pair.small.dictSize, large: options.base?.length ?? 0 };
      const deltaMse = new Float64Array(steps.length);
      const deltaBias = new Float64Array(steps.length);
      const nothing = { squares: 0, projection: 0 };
      for (const [step, { removed, inserted }] of steps.entries()) {
        const after = {
          small: before.small - removed.length,
          large: before.large + inserted.length,
        };
        const own = { squares: squares[step], projection: projection[step] };
        deltaMse[step] = mixedErrorChange(base, own, bias, { before, after }) / samples;
        deltaBias[step] = mixedErrorChange(base, nothing, bias, { before, after }) / samples;
      }
      return {
        samples,
        mse: mixedError(base, bias, before) / samples,
        l0: base.active / samples,
        deltaMse,
        deltaBias,
        deltaL0: active.map((count) => count / samples),
      };
    },
  };
}

function checkBase(
  groups: readonly LatentGroup[],
  small: Sae,
  large: Sae,
  inserted: ArrayLike<number>,
): void {
  checkLatents(inserted, large.dictSize, "inserted");
  const base = new Set(Array.from(inserted));
  for (const [index, group] of groups.entries()) {
    for (const latent of group.large) {
      if (!base.has(latent)) continue;
      throw new RangeError(
        `groups[${index}].large holds latent ${latent}, which is present already (option inserted)`,
      );
    }
    if (group.small.length === small.dictSize && group.large.length + base.size === 0) {
      throw new RangeError(
        `groups[${index}] removes every latent and inserts none: Eq. 5 has no decoder bias then`,
      );
    }
  }
}
