import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { type CosineSearchOptions, searchMaxima } from "../ops/cosine_search.ts";
import type { Sae } from "../sae/sae.ts";
import { decoderDirections } from "./decoder_directions.ts";

/** Options of {@linkcode maxDecoderCosine}. */
export interface MaxDecoderCosineOptions extends CosineSearchOptions {
  /**
   * Whether latent i of `from` is not compared with latent i of `to`: to find each latent's nearest
   * neighbour in its own SAE (default false).
   */
  skipSame?: boolean;
}

/**
 * The largest decoder cosine of each latent (the left side of Eq. 6): for each latent i of `from`
 * max over j of cos(wDec_from[i], wDec_to[j]), and the latent j that has it, the lowest of equals.
 *
 * Never the whole matrix: the device keeps a running maximum, in pieces of a fraction of a second, in less
 * than 200 MiB whatever the numbers of latents. Rows are brought to norm 1 in float64 first; a row of zeros has
 * the cosine 0 with everything. Cosines are float32 numbers cut to [−1, 1].
 *
 * @param from An SAE, or the rows [m₁, d] themselves.
 * @param to An SAE, or the rows [m₀, d] themselves.
 * @returns cosine [m₁] and nearest [m₁].
 * @throws {RangeError} The widths differ, there are no rows, a number is not finite, or `skipSame` leaves
 * nothing to compare with.
 *
 * @example How much of a large SAE a small one has
 * ```ts no-eval
 * import { classifyLatents, loadSae, maxDecoderCosine, openDevice } from "@saewing/saewing";
 *
 * using device = await openDevice();
 * const [small, large] = [await loadSae("runs/768"), await loadSae("runs/1536")];
 * const { cosine } = await maxDecoderCosine(device, large, small);
 * console.log(classifyLatents(cosine, 0.7).novel.length, "latents are novel");
 * ```
 */
export async function maxDecoderCosine(
  device: Device,
  from: Sae | Matrix,
  to: Sae | Matrix,
  options: MaxDecoderCosineOptions = {},
): Promise<{ cosine: Float32Array; nearest: Uint32Array }> {
  const [own, others] = decoderDirections(from, "from", to, "to");
  if (options.skipSame && others.matrix.rows === 1) {
    throw new RangeError("skipSame leaves latent 0 nothing to compare with: `to` has one latent");
  }
  return await searchMaxima(device, own, others, options);
}
