import type { Thread } from "../device/cpu_stage.ts";
import { dotPairsOn, scanSumsOn, type Sums } from "./scan_sums.ts";
import {
  type Bounds,
  cutRows,
  overflowing,
  sampleBounds,
  type Scratch,
  scratchOf,
  SLACK,
  sliceLatents,
  TINY,
} from "./screen_bounds.ts";
import type { ScreenArguments, Slice } from "./screen_arguments.ts";

// Exact selection by 8-bit screening. With the rounded rows x̂ and ŵ, by Cauchy–Schwarz
//   |x·w − x̂·ŵ| ≤ ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖:
// a pre-activation whose estimate plus this bound is below the cut cannot reach it. The others are the
// candidates; their exact float32 dots decide, so that the result depends on neither rounding nor cut.

/** Finds the pre-activations that reach their cut, over blocks of rows. */
export function screenBlocks(
  args: ScreenArguments,
  from: number,
  to: number,
  thread: Thread,
): void {
  if (args.done[0] !== 0 || args.stats[0] !== 0) return;
  screen(args, from, to, thread);
}

/**
 * Repeats the search in order of blocks, one work item, if more numbers equal the batch's cut than fit:
 * keeps the first `wanted` of them.
 */
export function screenInOrder(
  args: ScreenArguments,
  _from: number,
  _to: number,
  thread: Thread,
): void {
  if (args.done[0] !== 2) return;
  screen(args, 0, Math.ceil(args.n / args.block), thread, args.wanted);
}

function screen(
  args: ScreenArguments,
  from: number,
  to: number,
  thread: Thread,
  equals?: number,
): void {
  const slices = slicesOf(args);
  const room = new Uint8Array((slices[0]?.length ?? 0) * args.d);
  for (let block = from; block < to; block++) {
    const found = screenBlock(args, block, slices, room, thread);
    equals = keep(args, block, found, equals);
  }
}

function slicesOf({ among, m, block }: ScreenArguments): Slice[] {
  const count = among ? among[0] : m;
  const most = sliceLatents(block);
  return Array.from({ length: Math.ceil(count / most) }, (_, at) => {
    const first = at * most;
    const length = Math.min(most, count - first);
    const latents = among
      ? among.slice(1 + first, 1 + first + length)
      : Uint32Array.from({ length }, (_, i) => first + i);
    return { first, length, latents };
  });
}

/** Copies a slice's rounded rows into `room`: ONNX Runtime cannot read shared memory. */
function bytesOf(
  { among, latentBytes, d }: ScreenArguments,
  { first, length, latents }: Slice,
  room: Uint8Array,
): Uint8Array {
  const bytes = room.subarray(0, length * d);
  if (!among) bytes.set(latentBytes.subarray(first * d, (first + length) * d));
  else {
    for (let i = 0; i < length; i++) {
      bytes.set(latentBytes.subarray(latents[i] * d, (latents[i] + 1) * d), i * d);
    }
  }
  return bytes;
}

/** Entries of a block, ordered by latent, then by row. */
interface Entries {
  rows: number[];
  latents: number[];
  values: number[];
}

function screenBlock(
  args: ScreenArguments,
  block: number,
  slices: Slice[],
  room: Uint8Array,
  thread: Thread,
): Entries {
  const { n, d, input, wEnc } = args;
  const first = block * args.block;
  const rows = Math.min(args.block, n - first);
  const scratch = scratchOf(args, thread);
  const bytes = new Int8Array(args.sampleBytes.subarray(first * d, (first + rows) * d));
  const multiply = (slice: Slice) =>
    thread.integerProduct.multiply(bytesOf(args, slice, room), bytes, {
      rows: slice.length,
      inner: d,
      cols: rows,
    });
  const bounds = sampleBounds(args, first, rows);
  const { scale, pairs, values, latents, rowCuts } = scratch;
  scale.set(args.sampleScale.subarray(first, first + rows));
  const sumsOf = (product: Int32Array, slice: Slice): Sums => {
    // SIMD can access the device's memory only.
    if (thread.simd) scratch.sums.set(product);
    return { sums: thread.simd ? scratch.sums : product, scale, rows, latents: slice.length };
  };
  rowCuts.fill(0);
  // A row's cut needs all of its estimates: then all products are kept, else one at a time.
  const products: Int32Array[] = [];
  if (args.cut === "row") {
    for (const slice of slices) products.push(multiply(slice));
    cutRows(args, bounds, slices, (at) => sumsOf(products[at], slices[at]), scratch, thread);
  }

  const entries: Entries = { rows: [], latents: [], values: [] };
  const x = input.subarray(first * d, (first + rows) * d);
  for (const [at, slice] of slices.entries()) {
    latents.set(slice.latents);
    cutLatents(args, bounds, slice, scratch);
    const { inverse, least } = scratch;
    const product = products[at] ?? multiply(slice);
    const near = scanSumsOn(thread)(sumsOf(product, slice), rowCuts, inverse, least, pairs);
    const count = keepCandidates(args, bounds, slice, product, scratch, near);
    // Freed at once: the garbage collector does not know the size of this memory.
    (product.buffer as ArrayBuffer).transfer(0);
    Atomics.add(args.counts, 1, count);
    dotPairsOn(thread)(pairs, count, rows, { x, w: wEnc, latents, d }, values);
    keepReached(args, rows, scratch, count, entries);
  }
  return entries;
}

/** Sets each latent's limit for the scan by the block's largest bound: one comparison per pair. */
function cutLatents(args: ScreenArguments, bounds: Bounds, slice: Slice, scratch: Scratch): void {
  const { latentScale, latentNorm, latentError, bEnc } = args;
  for (let i = 0; i < slice.length; i++) {
    const latent = slice.latents[i];
    const step = latentScale[latent];
    const most = bEnc[latent] + TINY +
      bounds.maxError * overflowing(latentNorm[latent]) + bounds.maxNorm * latentError[latent];
    scratch.inverse[i] = step > 0 ? 1 / step : 0;
    const least = (limitOf(args, latent, 0) - most) * scratch.inverse[i];
    // Nothing is ruled out where the step is 0 (then the estimate is 0), or where float32 could overflow.
    scratch.least[i] = step > 0 && least > -1e30 ? least - Math.abs(least) * SLACK : -Infinity;
  }
}

/** Keeps those of the first `count` pairs whose own bound reaches their cut; returns their number. */
function keepCandidates(
  args: ScreenArguments,
  bounds: Bounds,
  slice: Slice,
  product: Int32Array,
  { pairs, scale, rowCuts }: Scratch,
  count: number,
): number {
  const { latentScale, latentNorm, latentError, bEnc } = args;
  const { error, norm } = bounds;
  const rows = error.length;
  let kept = 0;
  for (let j = 0; j < count; j++) {
    const pair = pairs[j];
    const i = Math.floor(pair / rows);
    const r = pair - i * rows;
    const latent = slice.latents[i];
    const estimate = product[pair] * scale[r] * latentScale[latent] + bEnc[latent];
    const bound = error[r] * overflowing(latentNorm[latent]) + norm[r] * latentError[latent] + TINY;
    if (estimate + bound < limitOf(args, latent, rowCuts[r])) continue;
    pairs[kept++] = pair;
  }
  return kept;
}

/** Adds the candidates whose exact pre-activation reaches their cut. */
function keepReached(
  args: ScreenArguments,
  rows: number,
  { pairs, values, latents, rowCuts }: Scratch,
  count: number,
  entries: Entries,
): void {
  const strict = args.cut === "latent";
  for (let j = 0; j < count; j++) {
    const i = Math.floor(pairs[j] / rows);
    const r = pairs[j] - i * rows;
    const latent = latents[i];
    const value = Math.fround(values[j] + args.bEnc[latent]);
    const cut = cutOf(args, latent, rowCuts[r]);
    if (!(strict ? value > cut : value > 0 && value >= cut)) continue;
    entries.rows.push(r);
    entries.latents.push(latent);
    entries.values.push(value);
  }
}

const cutOf = ({ cut, cuts }: ScreenArguments, latent: number, rowCut: number): number =>
  cut === "batch" ? cuts[0] : cut === "latent" ? Math.max(0, cuts[latent]) : rowCut;

// The sum with the bias is rounded to float32, and may reach a cut from half a step below it.
const limitOf = (args: ScreenArguments, latent: number, rowCut: number): number => {
  const cut = cutOf(args, latent, rowCut);
  return args.cut === "latent" ? cut : Math.min(cut, 3.4e38) * (1 - 2 ** -24);
};

/**
 * Appends a block's entries row by row, up to the capacity; with a cut per row only the `wanted` largest of
 * each row, of equals those with the lowest latents. `equals`: largest number of entries that equal the
 * batch's cut, the first of which are kept.
 */
function keep(args: ScreenArguments, block: number, found: Entries, equals = Infinity): number {
  const { cut, cuts, wanted, kept, firstRow, n } = args;
  const first = block * args.block;
  const rows = Math.min(args.block, n - first);
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
      for (const at of own) kept.push(at);
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
