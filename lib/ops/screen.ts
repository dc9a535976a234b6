import type { Thread } from "../device/cpu_stage.ts";
import { dotOn } from "./arithmetic.ts";
import { BLOCK } from "./round_rows.ts";

// Exact selection by 8-bit screening. With x̂ and ŵ the rounded rows, Cauchy and Schwarz say
//   |x·w − x̂·ŵ| ≤ ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖:
// a pre-activation whose estimate plus this bound stays below the cut cannot reach it. The others are the
// candidates; their exact float32 dots decide, so that neither the rounding nor the cut shows in any bit.

/** What is kept of a batch, in the order in which it was found. */
export interface Found {
  /** Row, latent and pre-activation of each entry. */
  rows: Uint32Array;
  latents: Uint32Array;
  values: Float32Array;
  /** {entries found, candidates, …}: may be more than there is room for. */
  counts: Uint32Array;
  /** [blocks, 2] first entry and number of entries of each block of rows. */
  blocks: Uint32Array;
}

/** How the cut of a pre-activation comes about. */
export type Cut = "batch" | "row" | "latent";

/** What {@linkcode screenBlocks} is given. */
export interface ScreenArguments extends Found {
  cut: Cut;
  /** "batch": [1] the cut; "latent": [m] a cut of each latent, which must be passed; "row": unused. */
  cuts: Float32Array;
  /** "row": how many of each row are wanted. */
  wanted: number;
  /** [1 + …] {count, latents}: only these take part. */
  among: Uint32Array | undefined;
  input: Float32Array;
  wEnc: Float32Array;
  bEnc: Float32Array;
  sampleBytes: Int8Array;
  sampleScale: Float32Array;
  sampleNorm: Float32Array;
  sampleError: Float32Array;
  latentBytes: Uint8Array;
  latentScale: Float32Array;
  latentNorm: Float32Array;
  latentError: Float32Array;
  /** {first bad number, …}: where a batch is not finite nothing is selected. */
  stats: Uint32Array;
  /** [1] 0: go on; 1: enough was found; 2: too many equals, which must be taken in order. */
  done: Uint32Array;
  /** Entries of each sparse row, of which the batch's first is `firstRow`. */
  kept: Uint32Array;
  firstRow: number;
  n: number;
  m: number;
  d: number;
}

// Latents of one 8-bit product: its [4096, 128] sums take 2 MiB, as much as a core's second cache.
const SLICE = 4096;

/** Finds what reaches its cut, over blocks of rows. */
export async function screenBlocks(
  args: ScreenArguments,
  from: number,
  to: number,
  thread: Thread,
): Promise<void> {
  if (args.done[0] !== 0 || args.stats[0] !== 0) return;
  await screen(args, from, to, thread);
}

/**
 * Finds again what reaches the batch's cut, block after block, one piece of work: where more numbers equal
 * it than there is room for, the first `wanted` of them.
 */
export async function screenInOrder(
  args: ScreenArguments,
  _from: number,
  _to: number,
  thread: Thread,
): Promise<void> {
  if (args.done[0] !== 2) return;
  await screen(args, 0, Math.ceil(args.n / BLOCK), thread, args.wanted);
}

async function screen(
  args: ScreenArguments,
  from: number,
  to: number,
  thread: Thread,
  equals?: number,
): Promise<void> {
  const { among, m, d } = args;
  const listed = among ? among.subarray(1, 1 + among[0]) : undefined;
  const count = listed ? listed.length : m;
  const slices: Slice[] = [];
  for (let first = 0; first < count; first += SLICE) {
    const length = Math.min(SLICE, count - first);
    const bytes = new Uint8Array(length * d);
    if (!listed) bytes.set(args.latentBytes.subarray(first * d, (first + length) * d));
    else {
      for (let at = 0; at < length; at++) {
        const latent = listed[first + at];
        bytes.set(args.latentBytes.subarray(latent * d, (latent + 1) * d), at * d);
      }
    }
    slices.push({ first, length, bytes });
  }
  for (let block = from; block < to; block++) {
    const found = await screenBlock(args, block, slices, listed, thread);
    equals = keep(args, block, found, equals);
  }
}

interface Slice {
  first: number;
  length: number;
  bytes: Uint8Array;
}

/** Entries of a block in the order in which they are found: latent by latent, in it row by row. */
interface Entries {
  rows: number[];
  latents: number[];
  values: number[];
}

async function screenBlock(
  args: ScreenArguments,
  block: number,
  slices: Slice[],
  listed: Uint32Array | undefined,
  thread: Thread,
): Promise<Entries> {
  const { n, d, cut, cuts } = args;
  const first = block * BLOCK;
  const rows = Math.min(BLOCK, n - first);
  const bytes = new Int8Array(args.sampleBytes.subarray(first * d, (first + rows) * d));
  const sums: Int32Array[] = [];
  for (const slice of slices) {
    const product = thread.integerProduct.multiply(slice.bytes, bytes, {
      rows: slice.length,
      inner: d,
      cols: rows,
    });
    sums.push(product instanceof Int32Array ? product : await product);
  }
  const bounds = sampleBounds(args, first, rows);
  const rowCuts = cut === "row" ? cutRows(args, bounds, slices, sums, listed, rows) : undefined;
  const entries: Entries = { rows: [], latents: [], values: [] };
  const add = (row: number, latent: number, value: number) => {
    entries.rows.push(row);
    entries.latents.push(latent);
    entries.values.push(value);
  };
  const dot = dotOn(thread);
  let candidates = 0;
  for (const [at, slice] of slices.entries()) {
    const sum = sums[at];
    for (let i = 0; i < slice.length; i++) {
      const latent = listed ? listed[slice.first + i] : slice.first + i;
      const bias = args.bEnc[latent];
      const step = args.latentScale[latent];
      const [norm, error] = [args.latentNorm[latent], args.latentError[latent]];
      const ownCut = cut === "batch" ? cuts[0] : cut === "latent" ? Math.max(0, cuts[latent]) : 0;
      // The largest bound of the block, in units of the latent's step: one comparison a pair.
      const most = bias + bounds.mostError * norm + bounds.mostNorm * error + TINY;
      const offset = i * rows;
      if (!rowCuts) {
        const least = step > 0 ? (ownCut - most) / step : ownCut <= most ? -Infinity : Infinity;
        for (let r = 0; r < rows; r++) {
          if (sum[offset + r] * bounds.scale[r] < least) continue;
          const bound = bounds.error[r] * norm + bounds.norm[r] * error + TINY;
          if (sum[offset + r] * bounds.scale[r] * step + bias + bound < ownCut) continue;
          candidates++;
          const row = first + r;
          const value = Math.fround(dot(args.input, row * d, args.wEnc, latent * d, d) + bias);
          if (cut === "latent" ? value > ownCut : value > 0 && value >= ownCut) {
            add(r, latent, value);
          }
        }
      } else {
        for (let r = 0; r < rows; r++) {
          if (sum[offset + r] * bounds.scale[r] * step + most < rowCuts[r]) continue;
          candidates++;
          const row = first + r;
          const value = Math.fround(dot(args.input, row * d, args.wEnc, latent * d, d) + bias);
          if (value > 0 && value >= rowCuts[r]) add(r, latent, value);
        }
      }
    }
  }
  Atomics.add(args.counts, 1, candidates);
  return entries;
}

// What float32 adds to the bound: a dot of d numbers is off by less than (d / 16 + 8) · 2⁻²³ of the norms'
// product, and products below the normal range by d · 2⁻¹⁴⁸.
const TINY = 1e-37;

/** Scales, errors and norms of a block's samples, with the largest of them. */
function sampleBounds(args: ScreenArguments, first: number, rows: number) {
  const { sampleScale, sampleNorm, sampleError, d } = args;
  const rounding = (d / 16 + 8) * 2 ** -23;
  const scale = Float64Array.from({ length: rows }, (_, r) => sampleScale[first + r]);
  const error = new Float64Array(rows);
  const norm = new Float64Array(rows);
  let [mostError, mostNorm] = [0, 0];
  for (let r = 0; r < rows; r++) {
    const own = sampleNorm[first + r];
    // ‖x̂‖ ≤ ‖x‖ + ‖x − x̂‖. Where float32 dots could overflow nothing is ruled out.
    error[r] = own > 1e18 ? Infinity : sampleError[first + r] + rounding * own;
    norm[r] = own + sampleError[first + r];
    mostError = Math.max(mostError, error[r]);
    mostNorm = Math.max(mostNorm, norm[r]);
  }
  return { scale, error, norm, mostError, mostNorm };
}

/**
 * A cut for each row that at least `wanted` of its pre-activations reach: latents are dealt into groups,
 * and the wanted-th largest of the groups' largest lower bounds has as many above it. 0 where there are
 * not so many groups with a positive one.
 */
function cutRows(
  args: ScreenArguments,
  bounds: ReturnType<typeof sampleBounds>,
  slices: Slice[],
  sums: Int32Array[],
  listed: Uint32Array | undefined,
  rows: number,
): Float64Array {
  const { wanted } = args;
  const count = slices.reduce((sum, { length }) => sum + length, 0);
  const cuts = new Float64Array(rows);
  if (wanted > count) return cuts;
  // Four latents a group, or fewer where many are wanted.
  const groups = Math.min(count, Math.max(4 * wanted, Math.ceil(count / 16)));
  const best = new Float32Array(groups * rows).fill(-Infinity);
  for (const [at, slice] of slices.entries()) {
    for (let i = 0; i < slice.length; i++) {
      const latent = listed ? listed[slice.first + i] : slice.first + i;
      const step = args.latentScale[latent];
      const less = args.bEnc[latent] - TINY -
        bounds.mostError * args.latentNorm[latent] - bounds.mostNorm * args.latentError[latent];
      const own = (slice.first + i) % groups * rows;
      for (let r = 0, j = i * rows; r < rows; r++, j++) {
        const value = sums[at][j] * bounds.scale[r] * step + less;
        if (value > best[own + r]) best[own + r] = value;
      }
    }
  }
  const column = new Float32Array(groups);
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) column[g] = best[g * rows + r];
    column.sort();
    const least = column[groups - wanted];
    // Rounding to float32 may have raised it by one part in 2^24.
    cuts[r] = least > 0 ? least * (1 - 2 ** -22) : 0;
  }
  return cuts;
}

/**
 * Takes room for a block's entries and puts them there, row by row, as far as there is room; of rows with
 * a cut of their own the `wanted` largest, equals going to the lowest latents. `equals`: at most so many
 * that equal the batch's cut, the first of them.
 */
function keep(args: ScreenArguments, block: number, found: Entries, equals = Infinity): number {
  const { cut, cuts, wanted, kept, firstRow, n } = args;
  const first = block * BLOCK;
  const rows = Math.min(BLOCK, n - first);
  const ends = new Uint32Array(rows + 1);
  for (const row of found.rows) ends[row + 1]++;
  for (let row = 0; row < rows; row++) ends[row + 1] += ends[row];
  const places = ends.slice();
  const order = new Uint32Array(found.rows.length);
  for (const [at, row] of found.rows.entries()) order[places[row]++] = at;
  let own = order;
  if (cut === "row") own = largestOfRows(found, order, ends, wanted);
  else if (equals < Infinity) {
    own = order.filter((at) => found.values[at] > cuts[0] || equals-- > 0);
  }
  const begin = Atomics.add(args.counts, 0, own.length);
  args.blocks[2 * block] = begin;
  args.blocks[2 * block + 1] = own.length;
  kept.fill(0, firstRow + first, firstRow + first + rows);
  for (let at = 0; at < own.length; at++) {
    const row = found.rows[own[at]];
    kept[firstRow + first + row]++;
    if (begin + at >= args.values.length) continue;
    args.rows[begin + at] = first + row;
    args.latents[begin + at] = found.latents[own[at]];
    args.values[begin + at] = found.values[own[at]];
  }
  return equals;
}

function largestOfRows({ values }: Entries, order: Uint32Array, ends: Uint32Array, wanted: number) {
  const kept: number[] = [];
  for (let row = 0; row + 1 < ends.length; row++) {
    const own = order.subarray(ends[row], ends[row + 1]);
    if (own.length <= wanted) {
      kept.push(...own);
      continue;
    }
    const least = Float64Array.from(own, (at) => values[at]).sort()[own.length - wanted];
    let equals = wanted;
    for (const at of own) if (values[at] > least) equals--;
    for (const at of own) {
      if (values[at] > least || values[at] === least && equals-- > 0) kept.push(at);
    }
  }
  return Uint32Array.from(kept);
}
