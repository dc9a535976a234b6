import type { Sae } from "../sae/sae.ts";
import { checkChoice, checkLatent, type StitchedSae } from "../sae/stitched_sae.ts";
import { checkStitchable } from "./check_stitchable.ts";

/**
 * Stitches latents of two SAEs into one (Eq. 5). Only the decoder bias is computed,
 * α·b₀ + (1 − α)·b₁ with α = |L₀| / (|L₀| + |L₁|); both SAEs are kept, not copied. The result can be passed
 * to `encode`, `reconstruct`, `openInference`, `evaluateSae`, `evaluateCrossEntropy` and
 * `saveStitchedSae`.
 *
 * @param small SAE 0 of the paper, the one that is changed.
 * @param large SAE 1 of the paper.
 * @param latents Latents of the small SAE that stay and of the large one that are added, in any order.
 * An empty side leaves the other SAE's latents alone.
 * @returns An SAE whose latents are the small SAE's in the order given, then the large one's.
 * @throws {RangeError | TypeError} A latent is not in its SAE or is given twice, no latent is given at
 * all, or the SAEs cannot be stitched (see `checkStitchable`).
 *
 * @example Latent 7 of the large SAE added to the small one
 * ```ts ignore
 * const all = Array.from({ length: small.dictSize }, (_, latent) => latent);
 * const stitched = stitch(small, large, { small: all, large: [7] });
 * const { mse } = await evaluateSae(device, stitched, batches);
 * ```
 */
export function stitch(
  small: Sae,
  large: Sae,
  { small: smallLatents, large: largeLatents }: {
    small: ArrayLike<number>;
    large: ArrayLike<number>;
  },
): StitchedSae {
  checkStitchable(small, large);
  const dictSize = checkChoice({ small, smallLatents, large, largeLatents });
  const alpha = smallLatents.length / dictSize;
  return {
    architecture: "stitched",
    dModel: small.dModel,
    dictSize,
    small,
    smallLatents: Uint32Array.from(smallLatents),
    large,
    largeLatents: Uint32Array.from(largeLatents),
    bDec: small.bDec.map((value, c) => alpha * value + (1 - alpha) * large.bDec[c]),
  };
}

/**
 * Where a latent of a stitched SAE comes from.
 *
 * @param latent A latent of the stitched SAE, as in its codes and in its evaluation's density.
 * @returns The SAE, and the latent's number there.
 * @throws {RangeError} The stitched SAE has no such latent.
 */
export function stitchedOrigin(
  { smallLatents, largeLatents, dictSize }: StitchedSae,
  latent: number,
): { sae: "small" | "large"; latent: number } {
  checkLatent(latent, dictSize, "latent");
  const i = latent - smallLatents.length;
  return i < 0
    ? { sae: "small", latent: smallLatents[latent] }
    : { sae: "large", latent: largeLatents[i] };
}
