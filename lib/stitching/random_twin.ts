import { createRandom } from "../random.ts";
import { initializeSae } from "../sae/initialize.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * A control: an SAE that knows nothing. It has the shape, the decoder bias and about the L0 of the one
 * that is given, but random directions: encoder and decoder rows are the same random unit vectors, and the
 * k latents that are largest in a sample are active (Eq. 9), k being the L0 rounded. What an SAE does
 * that its twin with a fitted gain does as well is no sign that it learned something.
 *
 * @param l0 Mean number of active latents of the SAE.
 * @param seed Of the directions (default 0).
 */
export function randomTwin(sae: Sae, l0: number, { seed = 0 }: { seed?: number } = {}): Sae {
  const { dModel, dictSize, bDec, inputNormalization, inputScale } = sae;
  const k = Math.max(1, Math.min(dictSize, Math.round(l0)));
  // Far from the seeds that SAEs are trained from: a twin must not be where its SAE started.
  const random = createRandom((seed ^ 0x5eed7417) >>> 0);
  const twin = initializeSae({ architecture: "topk", dModel, dictSize, k, random });
  const { activationTransform } = sae.metadata;
  return {
    ...twin,
    wEnc: twin.wDec,
    bDec,
    inputNormalization,
    ...(inputScale === undefined ? {} : { inputScale }),
    metadata: activationTransform === undefined ? {} : { activationTransform },
  };
}
