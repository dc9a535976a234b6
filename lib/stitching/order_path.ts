import type { Device } from "../device/device.ts";
import { createRandom } from "../random.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import type { LatentGroup } from "./latent_groups.ts";
import { maxDecoderCosine } from "./max_decoder_cosine.ts";
import type { PathParts } from "./plan_path.ts";
import type { StitchingOptions } from "./sum_steps.ts";
import { swapEffects } from "./swap_effects.ts";

/**
 * In which order novel latents are inserted, and then groups swapped:
 * - "benefit": those first that alone, on the small SAE, lower the MSE most;
 * - "cosine": those first whose largest cosine with a small latent is lowest (of a group: the mean over
 *   its large latents);
 * - "random": drawn from the seed.
 */
export type InterpolationOrder = "benefit" | "cosine" | "random";

/** What {@linkcode orderPath} is told. */
export interface OrderOptions extends StitchingOptions {
  /** The order. */
  order: InterpolationOrder;
  /** Seed of the order "random" (default 0). */
  seed?: number;
  /** [m₁] largest cosine of each large latent with a small one, for the order "cosine". */
  cosine?: Float32Array;
}

/**
 * Puts the insertions and the swaps of a path in order; equals keep the order of latents.
 *
 * @param read Gives the activations, for the order "benefit".
 * @returns The parts, and how many samples were read for it.
 */
export async function orderPath(
  device: Device,
  small: Sae,
  large: Sae,
  { novel, swaps, leftovers }: PathParts,
  read: () => Batches,
  { order, seed = 0, cosine, ...running }: OrderOptions,
): Promise<PathParts & { samples: number }> {
  if (order === "random") {
    const random = createRandom(seed);
    const shuffled = [novel, swaps].map((groups) =>
      shuffle(groups, (bound) => random.below(bound))
    );
    return { novel: shuffled[0], swaps: shuffled[1], leftovers, samples: 0 };
  }
  let keys: number[];
  let samples = 0;
  const all = [...novel, ...swaps];
  if (order === "cosine") {
    const largest = cosine ??
      (await maxDecoderCosine(device, large, small, { signal: running.signal })).cosine;
    keys = all.map((group) => mean(group.large, largest));
  } else {
    const { signal, onProgress } = running;
    const effects = await swapEffects(device, small, large, all, read(), { signal, onProgress });
    keys = [...effects.deltaMse];
    samples = effects.samples;
  }
  return {
    novel: sortByKey(novel, keys.slice(0, novel.length)),
    swaps: sortByKey(swaps, keys.slice(novel.length)),
    leftovers,
    samples,
  };
}

function mean(latents: Uint32Array, values: Float32Array): number {
  return latents.reduce((sum, latent) => sum + values[latent], 0) / latents.length;
}

function sortByKey(groups: LatentGroup[], keys: number[]): LatentGroup[] {
  return groups.map((_, index) => index).sort((a, b) => keys[a] - keys[b] || a - b)
    .map((index) => groups[index]);
}

function shuffle(groups: LatentGroup[], below: (bound: number) => number): LatentGroup[] {
  const shuffled = [...groups];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = below(last + 1);
    [shuffled[last], shuffled[other]] = [shuffled[other], shuffled[last]];
  }
  return shuffled;
}
