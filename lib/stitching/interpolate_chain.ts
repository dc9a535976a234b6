import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import {
  interpolate,
  type InterpolationOptions,
  type InterpolationPoint,
  passesOf,
} from "./interpolate.ts";
import type { LatentGroup } from "./latent_groups.ts";
import { readRepeatedly, type RepeatableBatches } from "./repeatable_batches.ts";

/** Options of {@linkcode interpolateChain}: those of `interpolate`, groups and cosines one a pair. */
export interface ChainOptions extends Omit<InterpolationOptions, "groups" | "cosine"> {
  /** The groups of each pair (default: `latentGroups` at the threshold). */
  groups?: readonly (readonly LatentGroup[])[];
  /** The cosines of each pair, for the order "cosine" (default: `maxDecoderCosine`). */
  cosine?: readonly Float32Array[];
}

/** A stitched SAE on the way from one SAE of a chain to the next. */
export interface ChainPoint extends InterpolationPoint {
  /** Between which SAEs: pair p leads from SAE p to SAE p + 1. */
  pair: number;
}

/**
 * Goes through SAEs of growing size, from each to the next as {@linkcode interpolate} does (Fig. 5).
 *
 * @param gpu The open GPU.
 * @param saes Two SAEs or more, in the order of the path.
 * @param batches Activations, [rows, d] each; an array, or a function that returns them, where they
 * are read more than once: once a pair, with the order "benefit" twice.
 * @returns The points of all pairs one after the other. An SAE in the middle is the last point of a pair
 * and, with the phase "start", the first of the next.
 * @throws {RangeError | TypeError} There are fewer than two SAEs, or as {@linkcode interpolate} throws.
 */
export async function interpolateChain(
  device: Device,
  saes: readonly Sae[],
  batches: RepeatableBatches,
  options: ChainOptions = {},
): Promise<ChainPoint[]> {
  const pairs = saes.length - 1;
  if (pairs < 1) throw new RangeError(`there are ${saes.length} SAEs, expected at least 2`);
  for (const name of ["groups", "cosine"] as const) {
    const given = options[name]?.length ?? pairs;
    if (given !== pairs) {
      throw new RangeError(
        `${name} are given for ${given} pairs, ${saes.length} SAEs make ${pairs}`,
      );
    }
  }
  const { groups, cosine, onProgress, ...shared } = options;
  const passes = pairs * passesOf(shared);
  const read = readRepeatedly(batches, passes, `a chain of ${saes.length} SAEs`);
  const points: ChainPoint[] = [];
  let before = 0;
  for (let pair = 0; pair < pairs; pair++) {
    let measured = 0;
    const path = await interpolate(device, saes[pair], saes[pair + 1], read, {
      ...shared,
      groups: groups?.[pair],
      cosine: cosine?.[pair],
      onProgress: (samples) => onProgress?.(before + (measured = samples)),
    });
    before += measured;
    for (const point of path) points.push({ pair, ...point });
  }
  return points;
}
