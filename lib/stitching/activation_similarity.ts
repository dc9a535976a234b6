import type { Device } from "../device/device.ts";
import type { SparseMatrix } from "../matrix.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatent } from "../sae/stitched_sae.ts";
import type { Batches } from "../batches.ts";
import { decoderCosine, type LatentPair } from "./latent_pairs.ts";
import { type Measure, openPair, type Pair, readOnce, type StitchingOptions } from "./pair.ts";

/** Similarity of a latent of the small SAE and one of the large SAE: a point of Fig. 11. */
export interface PairSimilarity extends LatentPair {
  /** Cosine of their decoder rows. */
  decoderCosine: number;
  /** Cosine of their activation vectors over the samples: Σ ab / √(Σ a² · Σ b²). */
  activationCosine: number;
  /** Pearson correlation of their activations over the samples. */
  correlation: number;
}

/** Lines through the points of Fig. 11; undefined where the points have no spread. */
export interface SimilarityFits {
  /** Activation cosine over decoder cosine, the paper's measure. */
  activationCosine: LineFit | undefined;
  /** Correlation over decoder cosine. */
  correlation: LineFit | undefined;
}

/** What {@linkcode activationSimilarity} finds. */
export interface ActivationSimilarity {
  /** Number of samples. */
  samples: number;
  /** The pairs in the order given, each once, without the excluded ones. */
  pairs: PairSimilarity[];
  /** Pairs excluded because one of their latents is active in no sample. */
  neverActive: number;
  /** Pairs excluded because one of their latents has the same activation in all samples. */
  constant: number;
  /** Lines through all pairs. */
  fit: SimilarityFits;
  /** Lines through the pairs with a decoder cosine above `above`: the paper finds R² = 0.87. */
  fitAbove: SimilarityFits;
}

/** Options of {@linkcode activationSimilarity}. */
export interface ActivationSimilarityOptions extends StitchingOptions {
  /** Decoder cosine above which `fitAbove` is made (default 0.5, as in Fig. 11). */
  above?: number;
}

/**
 * Are latents with similar decoder rows active on the same samples? Cosine and correlation of the activations
 * of pairs of latents beside the cosine of their decoder rows, in one pass (Fig. 11). Sums run over nonzero
 * entries only: the cost is proportional to the samples in which both latents of a pair are active. Memory is 8
 * bytes per pair and 16 bytes per latent.
 *
 * R² depends on the pairs: `nearestPairs` are those that matter for stitching, `samplePairs` cover
 * all cosines evenly.
 *
 * @param pairs Pairs of latents; duplicates count once.
 * @param batches Activations, [rows, d] each, in any number.
 * @throws {RangeError | TypeError} There are no activations, or they do not fit; a pair's latent is
 * not in its SAE; the SAEs cannot be stitched.
 *
 * @example Fig. 11 of two SAEs
 * ```ts ignore
 * const { nearest } = await maxDecoderCosine(device, small, large);
 * const pairs = [...nearestPairs(nearest), ...samplePairs(small, large)];
 * const { fitAbove } = await activationSimilarity(device, small, large, pairs, batches);
 * console.log(fitAbove.activationCosine?.rSquared);
 * ```
 */
export async function activationSimilarity(
  device: Device,
  small: Sae,
  large: Sae,
  pairs: Iterable<LatentPair>,
  batches: Batches,
  { above, ...options }: ActivationSimilarityOptions = {},
): Promise<ActivationSimilarity> {
  using pair = openPair(device, small, large);
  return await readOnce(pair, batches, measureSimilarity(pair, pairs, above), options);
}

/** {@linkcode activationSimilarity} as a measure. */
export function measureSimilarity(
  { small, large }: Pair,
  pairs: Iterable<LatentPair>,
  above = 0.5,
): Measure<ActivationSimilarity> {
  const all = distinctPairs(pairs, small, large);
  const partners = groupByLarge(all, large.dictSize);
  const own = createMoments(small.dictSize);
  const other = createMoments(large.dictSize);
  const products = new Float64Array(all.length);
  const row = new Float64Array(small.dictSize);
  return {
    add({ x, small: { codes: a }, large: { codes: b } }) {
      addMoments(own, a);
      addMoments(other, b);
      for (let r = 0; r < x.rows; r++) {
        for (let e = a.rowOffsets[r]; e < a.rowOffsets[r + 1]; e++) row[a.latents[e]] = a.values[e];
        for (let e = b.rowOffsets[r]; e < b.rowOffsets[r + 1]; e++) {
          const latent = b.latents[e];
          for (let at = partners.offsets[latent]; at < partners.offsets[latent + 1]; at++) {
            const pair = partners.pairs[at];
            products[pair] += row[all[pair].small] * b.values[e];
          }
        }
        for (let e = a.rowOffsets[r]; e < a.rowOffsets[r + 1]; e++) row[a.latents[e]] = 0;
      }
    },
    result({ samples }) {
      const similar: PairSimilarity[] = [];
      let [neverActive, constant] = [0, 0];
      for (const [at, pair] of all.entries()) {
        const [sumA, squaresA] = [own.sums[pair.small], own.squares[pair.small]];
        const [sumB, squaresB] = [other.sums[pair.large], other.squares[pair.large]];
        if (squaresA === 0 || squaresB === 0) {
          neverActive++;
          continue;
        }
        const spreadA = spread(sumA, squaresA, samples);
        const spreadB = spread(sumB, squaresB, samples);
        if (spreadA === 0 || spreadB === 0) {
          constant++;
          continue;
        }
        const together = products[at] - sumA / samples * sumB;
        similar.push({
          ...pair,
          decoderCosine: decoderCosine(small, large, pair),
          activationCosine: bounded(products[at] / Math.sqrt(squaresA) / Math.sqrt(squaresB)),
          correlation: bounded(together / Math.sqrt(spreadA) / Math.sqrt(spreadB)),
        });
      }
      const near = similar.filter((pair) => pair.decoderCosine > above);
      return {
        ...{ samples, pairs: similar, neverActive, constant },
        ...{ fit: fits(similar), fitAbove: fits(near) },
      };
    },
  };
}

function distinctPairs(pairs: Iterable<LatentPair>, small: Sae, large: Sae): LatentPair[] {
  const distinct = new Map<number, LatentPair>();
  for (const { small: own, large: other } of pairs) {
    checkLatent(own, small.dictSize, "a pair's small latent");
    checkLatent(other, large.dictSize, "a pair's large latent");
    distinct.set(own * large.dictSize + other, { small: own, large: other });
  }
  return [...distinct.values()];
}

/** The pairs of latent i of the large SAE are `pairs[offsets[i] … offsets[i + 1] - 1]`. */
function groupByLarge(all: LatentPair[], dictSize: number) {
  const offsets = new Uint32Array(dictSize + 1);
  for (const { large } of all) offsets[large + 1]++;
  for (let latent = 0; latent < dictSize; latent++) offsets[latent + 1] += offsets[latent];
  const next = offsets.slice();
  const pairs = new Uint32Array(all.length);
  all.forEach(({ large }, at) => pairs[next[large]++] = at);
  return { offsets, pairs };
}

interface Moments {
  sums: Float64Array;
  squares: Float64Array;
}

function createMoments(latents: number): Moments {
  return { sums: new Float64Array(latents), squares: new Float64Array(latents) };
}

function addMoments({ sums, squares }: Moments, { latents, values }: SparseMatrix): void {
  for (let e = 0; e < latents.length; e++) {
    sums[latents[e]] += values[e];
    squares[latents[e]] += values[e] * values[e];
  }
}

/** Σ (a − ā)², 0 where only rounding remains: equal activations leave 1e-16 of their sum of squares. */
function spread(sum: number, squares: number, samples: number): number {
  const left = squares - sum * sum / samples;
  return left > 1e-10 * squares ? left : 0;
}

function bounded(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

function fits(pairs: PairSimilarity[]): SimilarityFits {
  const x = pairs.map((pair) => pair.decoderCosine);
  return {
    activationCosine: fitLine(x, pairs.map((pair) => pair.activationCosine)),
    correlation: fitLine(x, pairs.map((pair) => pair.correlation)),
  };
}

/** A straight line through points, by least squares. */
export interface LineFit {
  /** Number of points. */
  points: number;
  /** Change of y per unit of x. */
  slope: number;
  /** y where x is 0. */
  intercept: number;
  /** Share of the variance of y that the line explains, R²: the square of their correlation. */
  rSquared: number;
}

// Cosines of equal rows differ by 1e-16, those of rows that float32 training should have kept equal by 1e-7.
const ROUNDING = 1e-6;

/**
 * Fits y ≈ intercept + slope · x; undefined where either varies by no more than rounding, 1e-6 of
 * its size.
 */
export function fitLine(x: ArrayLike<number>, y: ArrayLike<number>): LineFit | undefined {
  const points = x.length;
  if (points === 0) return undefined;
  let [meanX, meanY] = [0, 0];
  for (let at = 0; at < points; at++) {
    meanX += x[at] / points;
    meanY += y[at] / points;
  }
  let [xx, xy, yy] = [0, 0, 0];
  let [sizeX, sizeY] = [0, 0];
  for (let at = 0; at < points; at++) {
    xx += (x[at] - meanX) ** 2;
    xy += (x[at] - meanX) * (y[at] - meanY);
    yy += (y[at] - meanY) ** 2;
    sizeX += x[at] ** 2;
    sizeY += y[at] ** 2;
  }
  if (xx <= ROUNDING ** 2 * sizeX || yy <= ROUNDING ** 2 * sizeY) return undefined;
  const slope = xy / xx;
  return { points, slope, intercept: meanY - slope * meanX, rSquared: xy * xy / (xx * yy) };
}
