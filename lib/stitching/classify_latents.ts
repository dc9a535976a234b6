import { checkThreshold } from "./check_threshold.ts";

/**
 * Novel and reconstruction latents (Eq. 6): a latent is novel where its largest decoder cosine is
 * below the threshold θ, and a reconstruction latent where it is at least θ. The paper leaves open
 * where a cosine equal to θ belongs; here it makes an edge of the graph of {@linkcode latentGroups}, so
 * novel latents are those without an edge.
 *
 * @param cosine [m] largest cosines, as `maxDecoderCosine(device, large, small)` gives them.
 * @param threshold θ in [−1, 1]: the paper takes 0.7 for GPT-2 and 0.4 for Gemma Scope.
 * @returns The latents of both kinds, ascending.
 * @throws {RangeError} The threshold is no cosine, or one of the cosines is not.
 */
export function classifyLatents(
  cosine: ArrayLike<number>,
  threshold: number,
): { novel: Uint32Array; reconstruction: Uint32Array } {
  checkThreshold(threshold);
  const novel: number[] = [];
  const reconstruction: number[] = [];
  for (let i = 0; i < cosine.length; i++) {
    if (!(cosine[i] >= -1 && cosine[i] <= 1)) {
      throw new RangeError(`cosine[${i}] is ${cosine[i]}, expected a number from -1 to 1`);
    }
    (cosine[i] < threshold ? novel : reconstruction).push(i);
  }
  return { novel: Uint32Array.from(novel), reconstruction: Uint32Array.from(reconstruction) };
}
