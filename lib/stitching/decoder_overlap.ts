import type { Device } from "../device/device.ts";
import type { CosineProgress, CosineSearchOptions } from "../ops/cosine_search.ts";
import { checkCount } from "../sae/check_numbers.ts";
import type { Sae } from "../sae/sae.ts";
import { checkThreshold } from "./check_threshold.ts";
import { maxDecoderCosine } from "./max_decoder_cosine.ts";

/** How much SAEs have in common; row i, column j: latents of the i-th SAE looked for in the j-th. */
export interface DecoderOverlap {
  /** Names, in order. */
  names: string[];
  /** share[i][j] of the latents of SAE i have a latent of cosine ≥ θ in SAE j. */
  share: number[][];
  /** meanCosine[i][j]: mean over the latents of SAE i of the largest cosine with SAE j. */
  meanCosine: number[][];
}

/**
 * Shares of reconstruction latents for every pair of a set of SAEs (Fig. 19): other seeds, other sizes.
 * The table is not symmetric: an SAE may lie within a larger one. An SAE holds all of itself.
 *
 * @param saes SAEs of one width, with their names; the names need not differ.
 * @param threshold θ in [−1, 1], 0.7 in the paper.
 * @param options `onProgress` counts the cosines of all pairs.
 * @throws {RangeError} There is no SAE, the widths differ, a number is not finite, or the threshold is
 * no cosine.
 */
export async function decoderOverlap(
  device: Device,
  saes: readonly { name: string; sae: Sae }[],
  threshold: number,
  options: CosineSearchOptions = {},
): Promise<DecoderOverlap> {
  checkThreshold(threshold);
  checkCount(saes.length, "the number of SAEs");
  for (const { name, sae } of saes) {
    if (sae.dModel !== saes[0].sae.dModel) {
      throw new RangeError(
        `${name} has dModel ${sae.dModel}, expected ${saes[0].sae.dModel} as ${saes[0].name} has`,
      );
    }
  }
  const latents = saes.reduce((sum, { sae }) => sum + sae.dictSize, 0);
  let before = 0;
  const onProgress = options.onProgress &&
    (({ done }: CosineProgress) =>
      options.onProgress!({ done: before + done, total: latents * latents }));
  const share: number[][] = [];
  const meanCosine: number[][] = [];
  for (const { sae: own } of saes) {
    const [shares, means]: number[][] = [[], []];
    for (const { sae: other } of saes) {
      const { cosine } = await maxDecoderCosine(device, own, other, { ...options, onProgress });
      before += own.dictSize * other.dictSize;
      shares.push(
        cosine.reduce((sum, value) => sum + (value >= threshold ? 1 : 0), 0) / cosine.length,
      );
      means.push(cosine.reduce((sum, value) => sum + value, 0) / cosine.length);
    }
    share.push(shares);
    meanCosine.push(means);
  }
  return { names: saes.map(({ name }) => name), share, meanCosine };
}
