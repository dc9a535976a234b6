import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { checkGroups } from "./check_groups.ts";
import type { LatentGroup } from "./latent_groups.ts";
import { measureApart, type StitchingEffects } from "./measure_apart.ts";
import type { StitchingOptions } from "./sum_steps.ts";

/** Options of {@linkcode swapEffects}. */
export interface SwapEffectsOptions extends StitchingOptions {
  /**
   * Latents of the large SAE that are in before each swap, beside the whole small SAE (default: none).
   * With the novel latents here, swaps are measured where an interpolation makes them.
   */
  inserted?: ArrayLike<number>;
}

/**
 * What swapping each group of latents does (Fig. 17): the group's small latents are taken out of
 * the small SAE, its large ones put in, every group alone. One pass over the activations, however many
 * groups there are. The decoder bias is Eq. 5's with the counts of latents that are in.
 *
 * @param gpu The open GPU.
 * @param small The SAE that is changed.
 * @param large The SAE whose latents are put in.
 * @param groups The groups, as `latentGroups` finds them; either side of one may be empty.
 * @param batches Activations, [rows, d] each, in any number; read once.
 * @returns deltaMse, deltaBias and deltaL0, one number a group each, and MSE and L0 before a swap.
 * @throws {RangeError} A group holds a latent that its SAE does not have, that another group holds, or
 * that is in already; a group leaves no latent at all; or as {@linkcode latentEffects} throws.
 */
export async function swapEffects(
  device: Device,
  small: Sae,
  large: Sae,
  groups: readonly LatentGroup[],
  batches: Batches,
  options: SwapEffectsOptions = {},
): Promise<StitchingEffects> {
  const { inserted = [] } = options;
  checkGroups(groups, small, large);
  checkBase(groups, small, large, inserted);
  const stepOf = new Int32Array(small.dictSize + large.dictSize).fill(-1);
  for (const [step, group] of groups.entries()) {
    for (const latent of group.small) stepOf[latent] = step;
    for (const latent of group.large) stepOf[small.dictSize + latent] = step;
  }
  const plan = { steps: groups.length, stepOf, inserted };
  const counts = (step: number) => ({
    removed: groups[step].small.length,
    inserted: groups[step].large.length,
  });
  return await measureApart(device, small, large, plan, counts, batches, options);
}

function checkBase(
  groups: readonly LatentGroup[],
  small: Sae,
  large: Sae,
  inserted: ArrayLike<number>,
): void {
  const base = new Set<number>();
  for (let at = 0; at < inserted.length; at++) {
    const latent = inserted[at];
    if (!(Number.isInteger(latent) && latent >= 0 && latent < large.dictSize)) {
      throw new RangeError(
        `inserted[${at}] is latent ${latent}, the large SAE has ${large.dictSize}`,
      );
    }
    if (base.has(latent)) throw new RangeError(`inserted holds latent ${latent} twice`);
    base.add(latent);
  }
  for (const [index, group] of groups.entries()) {
    for (const latent of group.large) {
      if (!base.has(latent)) continue;
      throw new RangeError(
        `groups[${index}].large holds latent ${latent}, which is in already (option inserted)`,
      );
    }
    if (group.small.length === small.dictSize && group.large.length + base.size === 0) {
      throw new RangeError(
        `groups[${index}] takes every latent out and puts none in: Eq. 5 has no decoder bias then`,
      );
    }
  }
}
