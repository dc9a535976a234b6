import type { Device } from "../device/device.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatents } from "../sae/stitched_sae.ts";
import type { Batches } from "../batches.ts";
import { type Measure, openPair, type Pair, readOnce, type StitchingOptions } from "./pair.ts";

/** MSE of an SAE where a latent is active and where it is not: a row of the table in A.4. */
export interface ErrorContrast {
  /** Mean of Σ_d (x − x̂)² over the samples in which the latent is not active. */
  inactive: number;
  /** The same over those in which it is. */
  active: number;
  /** active − inactive. */
  difference: number;
}

/** Errors of both SAEs by the activity of one novel latent. */
export interface LatentErrors {
  /** The latent, in the large SAE. */
  latent: number;
  /** Number of samples in which it is active. */
  activeSamples: number;
  /** The SAE that lacks it. */
  small: ErrorContrast;
  /** The SAE that has it. */
  large: ErrorContrast;
}

/** What {@linkcode missingInformation} finds. */
export interface MissingInformation {
  /** Number of samples. */
  samples: number;
  /** One entry per novel latent, in the order given, without the excluded ones. */
  latents: LatentErrors[];
  /**
   * Means over `latents`, each with the same weight, however often it is active (Fig. 14); undefined where
   * there are none.
   */
  mean: { small: ErrorContrast; large: ErrorContrast } | undefined;
  /** Novel latents excluded because they are active in no sample. */
  neverActive: number;
  /** Novel latents excluded because they are active in every sample. */
  alwaysActive: number;
}

/**
 * Is the small SAE worse exactly where a novel latent of the large SAE is active? The MSE of both, with the
 * latent active and inactive, for each novel latent, in one pass (table in A.4, Fig. 14).
 *
 * @param novel Latents of the large SAE; `classifyLatents` finds them.
 * @param batches Activations, [rows, d] each, in any number.
 * @throws {RangeError | TypeError} There are no activations, or they do not fit; a latent is not in the
 * large SAE or is given twice; the SAEs cannot be stitched.
 */
export async function missingInformation(
  device: Device,
  small: Sae,
  large: Sae,
  novel: ArrayLike<number>,
  batches: Batches,
  options: StitchingOptions = {},
): Promise<MissingInformation> {
  using pair = openPair(device, small, large);
  return await readOnce(pair, batches, measureMissing(pair, novel), options);
}

/** {@linkcode missingInformation} as a measure. */
export function measureMissing(
  { large: { dictSize } }: Pair,
  novel: ArrayLike<number>,
): Measure<MissingInformation> {
  checkLatents(novel, dictSize, "novel");
  const total = { small: 0, large: 0 };
  // Sums over the samples in which a latent is active, for every latent: 24 bytes each.
  const active = {
    count: new Float64Array(dictSize),
    small: new Float64Array(dictSize),
    large: new Float64Array(dictSize),
  };
  return {
    add({ x, small: { squaredErrors: ofSmall }, large: { squaredErrors: ofLarge, codes } }) {
      for (let row = 0; row < x.rows; row++) {
        total.small += ofSmall[row];
        total.large += ofLarge[row];
        for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
          const latent = codes.latents[e];
          active.count[latent]++;
          active.small[latent] += ofSmall[row];
          active.large[latent] += ofLarge[row];
        }
      }
    },
    result({ samples }) {
      const contrastOf = (sae: "small" | "large", latent: number): ErrorContrast => {
        const count = active.count[latent];
        return contrast(
          (total[sae] - active[sae][latent]) / (samples - count),
          active[sae][latent] / count,
        );
      };
      const all = Array.from(novel);
      const latents = all
        .filter((latent) => active.count[latent] > 0 && active.count[latent] < samples)
        .map((latent) => ({
          latent,
          activeSamples: active.count[latent],
          small: contrastOf("small", latent),
          large: contrastOf("large", latent),
        }));
      const mean = latents.length === 0 ? undefined : {
        small: meanContrast(latents.map((errors) => errors.small)),
        large: meanContrast(latents.map((errors) => errors.large)),
      };
      return {
        ...{ samples, latents, mean },
        neverActive: all.filter((latent) => active.count[latent] === 0).length,
        alwaysActive: all.filter((latent) => active.count[latent] === samples).length,
      };
    },
  };
}

function contrast(inactive: number, active: number): ErrorContrast {
  return { inactive, active, difference: active - inactive };
}

function meanContrast(all: ErrorContrast[]): ErrorContrast {
  const mean = (name: "inactive" | "active") =>
    all.reduce((sum, one) => sum + one[name], 0) / all.length;
  return contrast(mean("inactive"), mean("active"));
}
