import { createRandom, randomOrder } from "../random.ts";
import { decoderNorm } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkWhole } from "../whole_number.ts";
import { checkStitchable } from "./check_stitchable.ts";

/** A latent of the small SAE and one of the large. */
export interface LatentPair {
  /** Latent of the small SAE. */
  small: number;
  /** Latent of the large SAE. */
  large: number;
}

/**
 * Every latent of the large SAE with its nearest latent of the small SAE.
 *
 * @param nearest [m₁] that latent, as `maxDecoderCosine(device, small, large)` gives it.
 */
export function nearestPairs(nearest: ArrayLike<number>): LatentPair[] {
  return Array.from(nearest, (small, large) => ({ small, large }));
}

/** Options of {@linkcode samplePairs}. */
export interface SamplePairsOptions {
  /** Number of bands of equal width that divide cosines from -1 to 1 (default 40). */
  bands?: number;
  /** Most pairs in a band (default 50). */
  perBand?: number;
  /** Latents of the large SAE that are looked at, drawn at random (default 200). */
  latents?: number;
  /** Seed of both draws (default 0). */
  seed?: number;
}

/**
 * Draws pairs of latents evenly over their decoder cosines. (Uniformly drawn pairs are nearly all near
 * 0, nearest pairs near 1.) It costs `latents` · m₀ · d products on the CPU: 4 G, a few
 * seconds, where m₀ is 24,576 and d 768.
 *
 * @returns Pairs in order of band, then of latent; fewer than `perBand` where there are not as many.
 * @throws {RangeError | TypeError} An option is not a whole number above 0, or the SAEs cannot be
 * stitched.
 */
export function samplePairs(
  small: Sae,
  large: Sae,
  options: SamplePairsOptions = {},
): LatentPair[] {
  checkStitchable(small, large);
  return drawPairs(small, large, options);
}

/** {@linkcode samplePairs} of SAEs that are checked. */
export function drawPairs(
  small: Sae,
  large: Sae,
  { bands = 40, perBand = 50, latents = 200, seed = 0 }: SamplePairsOptions,
): LatentPair[] {
  checkWhole(bands, "bands");
  checkWhole(perBand, "perBand");
  checkWhole(latents, "latents");
  const random = createRandom(seed);
  const chosen = randomOrder(random, large.dictSize).subarray(0, latents);
  const norms = Float64Array.from(
    { length: small.dictSize },
    (_, latent) => decoderNorm(small, latent),
  );
  const found = Array.from({ length: bands }, () => ({ seen: 0, pairs: [] as LatentPair[] }));
  for (const latent of chosen) {
    const norm = decoderNorm(large, latent);
    for (let other = 0; other < small.dictSize; other++) {
      const pair = { small: other, large: latent };
      const cosine = cosineOf(small, large, pair, norms[other] * norm);
      const band = found[Math.min(bands - 1, Math.floor((cosine + 1) / 2 * bands))];
      // Reservoir sampling: each pair of a band is kept with the same probability, by one draw per pair.
      const place = random.below(++band.seen);
      if (band.pairs.length < perBand) band.pairs.push(pair);
      else if (place < perBand) band.pairs[place] = pair;
    }
  }
  return found.flatMap(({ pairs }) => pairs.sort((a, b) => a.large - b.large || a.small - b.small));
}

/** Cosine of a pair's decoder rows, from -1 to 1; 0 where one of them is zero. */
export function decoderCosine(small: Sae, large: Sae, pair: LatentPair): number {
  return cosineOf(
    small,
    large,
    pair,
    decoderNorm(small, pair.small) * decoderNorm(large, pair.large),
  );
}

/** {@linkcode decoderCosine} where the product of the rows' norms is known. */
function cosineOf(
  small: Sae,
  large: Sae,
  { small: own, large: other }: LatentPair,
  norms: number,
): number {
  const d = small.dModel;
  let product = 0;
  for (let c = 0; c < d; c++) product += small.wDec[own * d + c] * large.wDec[other * d + c];
  return norms === 0 ? 0 : Math.max(-1, Math.min(1, product / norms));
}
