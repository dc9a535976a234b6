import type { Thread } from "../device/cpu_stage.ts";
import { groupMaximaOn, type Sums } from "./scan_sums.ts";
import type { ScreenArguments, Slice } from "./screen_arguments.ts";

/**
 * Number of latents of one 8-bit product with `block` rows, so that its sums take at most 4 MiB.
 */
export const sliceLatents = (block: number): number =>
  Math.max(64, Math.min(4096, Math.floor(2 ** 20 / block)));

// float32's part of the bound, relative to the norms' product: less than (d / 16 + 10) · 2⁻²³ for a dot of
// d numbers, 2⁻²⁴ for each error that SIMD measures, 3 · 2⁻²⁴ for the scan's operations; and d · 2⁻¹⁴⁸ for
// products below the normal range.
export const TINY = 1e-37;
// Above the relative error of the scan's float32 operations, 3 · 2⁻²⁴.
export const SLACK = 2 ** -21;

/** Scratch of one thread, in the device's memory, so that SIMD can access it. */
export interface Scratch {
  sums: Int32Array;
  /** Pairs i · rows + r of a latent and a row, and their dots. */
  pairs: Uint32Array;
  values: Float32Array;
  /** Latents of the slice. */
  latents: Uint32Array;
  scale: Float32Array;
  rowCuts: Float32Array;
  inverse: Float32Array;
  least: Float32Array;
  best: Float32Array;
}

/**
 * Number of 32-bit words of scratch per thread for `latents` latents. `wanted` is the number of latents to
 * keep per row, 0 where rows have no cut of their own.
 */
export function scratchNumbers(block: number, latents: number, wanted: number): number {
  const slice = Math.min(sliceLatents(block), latents);
  return 3 * slice * block + 2 * block + 3 * slice +
    (wanted > 0 ? groupsOf(latents, wanted) * block : 0);
}

export function scratchOf(
  { scratch, block, m, wanted, cut }: Pick<
    ScreenArguments,
    "scratch" | "block" | "m" | "wanted" | "cut"
  >,
  thread: Thread,
): Scratch {
  const { buffer } = scratch;
  const slice = Math.min(sliceLatents(block), m);
  let at = scratch.byteOffset + scratch.byteLength / thread.count * thread.index;
  const take = <T>(
    View: new (buffer: ArrayBuffer, at: number, length: number) => T,
    length: number,
  ) => {
    const view = new View(buffer as ArrayBuffer, at, length);
    at += 4 * length;
    return view;
  };
  return {
    sums: take(Int32Array, slice * block),
    pairs: take(Uint32Array, slice * block),
    values: take(Float32Array, slice * block),
    latents: take(Uint32Array, slice),
    scale: take(Float32Array, block),
    rowCuts: take(Float32Array, block),
    inverse: take(Float32Array, slice),
    least: take(Float32Array, slice),
    best: take(Float32Array, cut === "row" ? groupsOf(m, wanted) * block : 0),
  };
}

/** Factors of the bounds of a block's samples. */
export interface Bounds {
  /** [rows] factor of ‖w‖. */
  error: Float64Array;
  /** [rows] factor of ‖w − ŵ‖. */
  norm: Float64Array;
  /** The largest of each. */
  maxError: number;
  maxNorm: number;
}

/** A norm; infinite above 1e18, where float32 dots could overflow, so that nothing is ruled out. */
export const overflowing = (norm: number): number => norm > 1e18 ? Infinity : norm;

/** The bounds of the `rows` samples from sample `first` on. */
export function sampleBounds(args: ScreenArguments, first: number, rows: number): Bounds {
  const { sampleNorm, sampleError, d } = args;
  const rounding = (d / 16 + 14) * 2 ** -23;
  const error = new Float64Array(rows);
  const norm = new Float64Array(rows);
  let [maxError, maxNorm] = [0, 0];
  for (let r = 0; r < rows; r++) {
    const own = overflowing(sampleNorm[first + r]);
    // ‖x̂‖ ≤ ‖x‖ + ‖x − x̂‖.
    error[r] = sampleError[first + r] + rounding * own;
    norm[r] = own + sampleError[first + r];
    maxError = Math.max(maxError, error[r]);
    maxNorm = Math.max(maxNorm, norm[r]);
  }
  return { error, norm, maxError, maxNorm };
}

// Four groups per latent to keep, or 16 latents per group.
function groupsOf(latents: number, wanted: number): number {
  return Math.min(latents, Math.max(4 * wanted, Math.ceil(latents / 16)));
}

/**
 * A cut per row that at least `wanted` of its pre-activations reach: latents are divided into groups, and
 * the cut is the wanted-th largest of the groups' maxima of lower bounds. It is 0 where fewer groups have
 * a positive maximum.
 */
export function cutRows(
  args: ScreenArguments,
  bounds: Bounds,
  slices: Slice[],
  sumsOf: (at: number) => Sums,
  { least: less, inverse: steps, best: room, rowCuts }: Scratch,
  thread: Thread,
): void {
  const { wanted } = args;
  const count = slices.reduce((sum, { length }) => sum + length, 0);
  if (wanted > count || wanted < 1) return;
  const groups = groupsOf(count, wanted);
  const rows = bounds.error.length;
  const best = room.subarray(0, groups * rows).fill(-Infinity);
  const raise = groupMaximaOn(thread);
  for (const [at, slice] of slices.entries()) {
    for (let i = 0; i < slice.length; i++) {
      const latent = slice.latents[i];
      steps[i] = args.latentScale[latent];
      const own = args.bEnc[latent] - TINY -
        (bounds.maxError + SLACK * bounds.maxNorm) * overflowing(args.latentNorm[latent]) -
        bounds.maxNorm * args.latentError[latent];
      less[i] = own - Math.abs(own) * SLACK;
    }
    raise(sumsOf(at), steps, less, best, { group: slice.first, groups });
  }
  const column = new Float32Array(groups);
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) column[g] = best[g * rows + r];
    const least = nthLargest(column, wanted);
    rowCuts[r] = least > 0 ? least * (1 - SLACK) : 0;
  }
}

/** The n-th largest of `values`, which are reordered (quickselect). */
function nthLargest(values: Float32Array, n: number): number {
  let [low, high] = [0, values.length - 1];
  const wanted = values.length - n;
  while (low < high) {
    const pivot = values[(low + high) >> 1];
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      [values[i], values[j]] = [values[j], values[i]];
      i++;
      j--;
    }
    if (wanted <= j) high = j;
    else if (wanted >= i) low = i;
    else break;
  }
  return values[wanted];
}
