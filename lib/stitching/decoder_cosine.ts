import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import type { CosineSearchOptions } from "../ops/cosine_options.ts";
import { searchMaxima } from "../ops/cosine_search.ts";
import { type UnitRows, unitRows } from "../ops/unit_rows.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkWhole } from "../whole_number.ts";

/** Options of {@linkcode maxDecoderCosine}. */
export interface MaxDecoderCosineOptions extends CosineSearchOptions {
  /**
   * Whether latent i of `large` is not compared with latent i of `small`: to find each latent's nearest
   * neighbour in its own SAE (default false).
   */
  skipSame?: boolean;
}

/**
 * The largest decoder cosine of each latent of the large SAE (the left side of Eq. 6): for each latent i
 * of `large` max over j of cos(wDec_large[i], wDec_small[j]), and the latent j that has it, the lowest index
 * among equals. For each latent of the small SAE: `maxDecoderCosine(device, large, small)`.
 *
 * The matrix of cosines is never stored: the device keeps a running maximum, block by block, in less than 200
 * MiB for any number of latents. Rows are normalised in float64 first; a row of zeros has
 * the cosine 0 with everything. Cosines are float32 numbers clamped to [−1, 1].
 *
 * @param small SAE 0 of the paper, in which neighbours are looked for, or its decoder rows [m₀, d].
 * @param large SAE 1 of the paper, whose latents get a neighbour each, or its decoder rows [m₁, d].
 * @returns cosine [m₁] and nearest [m₁].
 * @throws {RangeError} The widths differ, there are no rows, a number is not finite, or `skipSame` leaves
 * nothing to compare with.
 *
 * @example How much of a large SAE a small one has
 * ```ts no-eval
 * import { classifyLatents, maxDecoderCosine } from "@saewing/saewing/stitching";
 * import { loadSae, openDevice } from "@saewing/saewing";
 *
 * using device = await openDevice();
 * const [small, large] = [await loadSae("runs/768"), await loadSae("runs/1536")];
 * const { cosine } = await maxDecoderCosine(device, small, large);
 * console.log(classifyLatents(cosine, 0.7).novel.length, "latents are novel");
 * ```
 */
export async function maxDecoderCosine(
  device: Device,
  small: Sae | Matrix,
  large: Sae | Matrix,
  options: MaxDecoderCosineOptions = {},
): Promise<{ cosine: Float32Array; nearest: Uint32Array }> {
  const [others, own] = decoderDirections(small, large);
  if (options.skipSame && others.matrix.rows === 1) {
    throw new RangeError(
      "skipSame leaves latent 0 nothing to compare with: `small` has one latent",
    );
  }
  return await searchMaxima(device, own, others, options);
}

/**
 * The decoder rows of two SAEs (or plain rows) with their norms, ready to be compared.
 *
 * @throws {RangeError} The widths differ, there are no rows, or a number is not finite.
 */
export function decoderDirections(
  small: Sae | Matrix,
  large: Sae | Matrix,
  [nameSmall, nameLarge]: readonly [string, string] = ["small", "large"],
): [small: UnitRows, large: UnitRows] {
  const [smallRows, largeRows] = [decoderRows(small), decoderRows(large)];
  if (smallRows.cols !== largeRows.cols) {
    throw new RangeError(
      `the rows of ${nameSmall} have ${smallRows.cols} numbers, those of ${nameLarge} ` +
        `${largeRows.cols}: expected one width (dModel)`,
    );
  }
  const first = unitRows(smallRows, `the decoder of ${nameSmall}`);
  return [first, small === large ? first : unitRows(largeRows, `the decoder of ${nameLarge}`)];
}

/**
 * Novel and reconstruction latents (Eq. 6): a latent is novel where its largest decoder cosine is
 * below the threshold θ, and a reconstruction latent where it is at least θ. The paper does not
 * say where a cosine equal to θ belongs; here it is an edge of the graph of {@linkcode latentGroups}, so
 * novel latents are those without an edge.
 *
 * @param cosine [m] largest cosines, as `maxDecoderCosine(device, small, large)` gives them.
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
    checkCosine(cosine[i], i);
    (cosine[i] < threshold ? novel : reconstruction).push(i);
  }
  return { novel: Uint32Array.from(novel), reconstruction: Uint32Array.from(reconstruction) };
}

/** @throws {RangeError} A threshold of cosines is not a number in [−1, 1]. */
export function checkThreshold(threshold: number): void {
  if (!(Number.isFinite(threshold) && Math.abs(threshold) <= 1)) {
    throw new RangeError(`threshold is ${threshold}, expected a cosine, from -1 to 1`);
  }
}

function checkCosine(value: number, at: number): void {
  if (!(value >= -1 && value <= 1)) {
    throw new RangeError(`cosine[${at}] is ${value}, expected a number from -1 to 1`);
  }
}

/** Counts of cosines in bins of equal width over [−1, 1]. */
export interface CosineHistogram {
  /** Ascending edges, from −1 to 1, one more than there are bins. */
  edges: Float64Array;
  /** counts[b] cosines lie in [edges[b], edges[b + 1]); 1 itself lies in the last bin. */
  counts: Uint32Array;
}

/**
 * The histogram of Fig. 10: how the largest decoder cosines of an SAE's latents are spread.
 *
 * @param cosine Cosines, as {@linkcode maxDecoderCosine} gives them.
 * @param bins How many bins over [−1, 1] (default 80, so that an edge lies at 0.7 and at 0.4).
 * @throws {RangeError} The number of bins is not a whole number above 0, or a number is not a cosine.
 */
export function cosineHistogram(cosine: ArrayLike<number>, bins = 80): CosineHistogram {
  checkWhole(bins, "bins");
  // Quotients of whole numbers: 0.7 is 0.7, not the sum of widths next to it.
  const edges = Float64Array.from({ length: bins + 1 }, (_, b) => (2 * b - bins) / bins);
  const counts = new Uint32Array(bins);
  for (let i = 0; i < cosine.length; i++) {
    const value = cosine[i];
    checkCosine(value, i);
    let bin = Math.min(bins - 1, Math.floor((value + 1) / 2 * bins));
    // Rounding may have led across an edge.
    if (value < edges[bin]) bin--;
    else if (bin < bins - 1 && value >= edges[bin + 1]) bin++;
    counts[bin]++;
  }
  return { edges, counts };
}

/** Overlap of SAEs; row i, column j: latents of SAE i that SAE j has too. */
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
 * The table is not symmetric: a small SAE may be contained in a larger one. The diagonal is 1.
 *
 * @param saes SAEs of one width, with their names; the names need not differ.
 * @param threshold θ in [−1, 1], 0.7 in the paper.
 * @param options `onProgress` counts the cosines of all pairs of two different SAEs.
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
  checkWhole(saes.length, "the number of SAEs");
  for (const { name, sae } of saes) {
    if (sae.dModel !== saes[0].sae.dModel) {
      throw new RangeError(
        `${name} has dModel ${sae.dModel}, expected ${saes[0].sae.dModel} as ${saes[0].name} has`,
      );
    }
  }
  const all = saes.map(({ name, sae }) => unitRows(decoderRows(sae), `the decoder of ${name}`));
  const { onProgress, ...search } = options;
  const pairs = all.flatMap((own) => all.map((other) => ({ own, other })));
  const size = ({ own, other }: typeof pairs[0]) =>
    own === other ? 0 : own.matrix.rows * other.matrix.rows;
  const total = pairs.reduce((sum, pair) => sum + size(pair), 0);
  let before = 0;
  const largest: Float32Array[] = [];
  for (const { own, other } of pairs) {
    largest.push(
      own === other
        // Each row is its own nearest; rows of zeros have the cosine 0 with everything.
        ? Float32Array.from(own.scales, (scale) => scale > 0 ? 1 : 0)
        : (await searchMaxima(device, own, other, {
          ...search,
          ...onProgress &&
            {
              onProgress: ({ done }) =>
                onProgress({ phase: "cosines", done: before + done, total }),
            },
        })).cosine,
    );
    before += size({ own, other });
  }
  const table = (measure: (cosine: Float32Array) => number) =>
    all.map((_, i) => largest.slice(i * all.length, (i + 1) * all.length).map(measure));
  const share = table((cosine) =>
    cosine.filter((value) => value >= threshold).length / cosine.length
  );
  const meanCosine = table((cosine) =>
    cosine.reduce((sum, value) => sum + value, 0) / cosine.length
  );
  return { names: saes.map(({ name }) => name), share, meanCosine };
}

/** How far the decoder biases of SAEs agree; row and column i belong to the i-th SAE. */
export interface DecoderBiasAgreement {
  /** Names, in order. */
  names: string[];
  /** cosine[i][j] of the biases of SAE i and SAE j; 0 where one of them is zero. */
  cosine: number[][];
  /** normDifference[i][j] = |‖b_i‖ − ‖b_j‖| / max(‖b_i‖, ‖b_j‖); 0 where both are zero. */
  normDifference: number[][];
  /** Smallest cosine of two different SAEs; 1 where there is one SAE only. */
  leastCosine: number;
  /** Largest difference of two SAEs' norms. */
  mostDifference: number;
}

/**
 * Agreement of decoder biases (Fig. 20): Eq. 5 mixes the biases of two SAEs, which does not matter where
 * they are nearly equal (the paper finds cosines of at least 0.997, norms within 0.1 %).
 *
 * @param saes SAEs with their names; the names need not differ.
 * @throws {RangeError} There is no SAE, the widths differ, or a number is not finite.
 */
export function decoderBiasAgreement(
  saes: readonly { name: string; sae: { bDec: Float32Array } }[],
): DecoderBiasAgreement {
  checkWhole(saes.length, "the number of SAEs");
  const width = saes[0].sae.bDec.length;
  for (const { name, sae: { bDec } } of saes) {
    if (bDec.length !== width) {
      throw new RangeError(
        `the decoder bias of ${name} has ${bDec.length} numbers, expected ${width} as ` +
          `${saes[0].name} has`,
      );
    }
    const at = bDec.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw new RangeError(`the decoder bias of ${name} is ${bDec[at]} in column ${at}`);
  }
  const norms = saes.map(({ sae: { bDec } }) => Math.sqrt(dot(bDec, bDec)));
  const table = (entry: (i: number, j: number) => number) =>
    saes.map((_, i) => saes.map((_, j) => entry(i, j)));
  const cosine = table((i, j) => {
    if (norms[i] === 0 || norms[j] === 0) return 0;
    if (i === j) return 1;
    const product = dot(saes[i].sae.bDec, saes[j].sae.bDec) / (norms[i] * norms[j]);
    return Math.max(-1, Math.min(1, product));
  });
  const normDifference = table((i, j) => {
    const most = Math.max(norms[i], norms[j]);
    return most === 0 ? 0 : Math.abs(norms[i] - norms[j]) / most;
  });
  return {
    names: saes.map(({ name }) => name),
    cosine,
    normDifference,
    leastCosine: cosine.reduce(
      (least, row, i) =>
        row.reduce((least, value, j) => i === j ? least : Math.min(least, value), least),
      1,
    ),
    mostDifference: normDifference.flat().reduce((most, value) => Math.max(most, value), 0),
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}
