import type { Thread } from "../device/cpu_stage.ts";
import { dotError, dotOn } from "./arithmetic.ts";
import { groupMaximaOn, scanSumsOn, type Sums } from "./scan_sums.ts";

// Screening of cosines, as of selections (screen.ts): the product of two rounded unit rows differs from
// x · w by at most
//   ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖.
// The exact float32 dot is computed only where this bound does not decide; only exact dots are returned.

/** Rows and columns of norm 1, rounded to 8 bits: row ≈ scale · bytes, with an error of at most `error`. */
export interface Compared {
  rows: Float32Array;
  rowBytes: Int8Array;
  rowScale: Float32Array;
  rowError: Float32Array;
  columns: Float32Array;
  columnBytes: Uint8Array;
  columnScale: Float32Array;
  columnError: Float32Array;
  /** Numbers of rows and columns, and the index of the first of each in its matrix. */
  n: number;
  m: number;
  firstRow: number;
  firstColumn: number;
  d: number;
  /** Blocks of rows per work item. */
  blocks: number;
  /** {number of exact dots}. */
  counts: Uint32Array;
  /** [threads, {@linkcode cosineScratch}] a part for each thread. */
  scratch: Float32Array;
}

// Columns per product: 2048 columns of 768 bytes (1.5 MiB) and 1 MiB of sums fit into a core's caches.
const SLICE = 2048;

/** Rows per block, one operand of an 8-bit product. */
export const BLOCK = 128;

/** Number of 32-bit words of scratch per thread for `m` columns. */
export function cosineScratch(m: number): number {
  const slice = Math.min(SLICE, m);
  return 2 * slice * BLOCK + 2 * slice + 3 * BLOCK;
}

// Largest norm of a unit row in float32; largest error of rounding and scanning in float32.
const ONE = 1 + 2 ** -20;
const SLACK = 2 ** -20;

// The sum of an excluded pair. Up to this width its cosine is below −2, because scales are at least
// 1 / (127 √d).
const NO_SUM = -(2 ** 31);
const MAX_MASKED = 2 ** 15;

/**
 * The largest cosine of each row, and the first column with it, over items of `blocks` blocks of rows.
 * `values` and `indices` have the maxima so far. A row's cut is the largest cosine that it is known to
 * reach, by an exact dot or by the lower bound of an estimate.
 */
export function findMaxima(
  args: Compared & { values: Float32Array; indices: Uint32Array; skipSame: boolean },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { values, indices, skipSame, firstRow, firstColumn, d } = args;
  // Clamped values may be below −1: −1 rules nothing out.
  const known = (value: number) => value > -1 ? Math.min(1, value) : -2;
  const cuts = Float64Array.from(values, known);
  const raise = (row: number, value: number) => cuts[row] = Math.max(cuts[row], known(value));
  const screen = createScreen(args, from, to, thread);
  let candidates = 0;
  multiplyTiles(args, from, to, thread, (tile) => {
    const { sums, row, rows, column, latents: columns } = tile;
    if (skipSame) {
      const same = firstRow + row - firstColumn - column;
      for (let r = Math.max(0, -same); r < rows && r + same < columns; r++) {
        sums[(r + same) * rows + r] = NO_SUM;
      }
    }
    // Starts with a high cut, so that few pairs of later tiles are above it.
    if (column === 0 && !(skipSame && d > MAX_MASKED)) screen.bestLower(tile, raise);
    const near = screen.list(tile, (row) => cuts[row]);
    for (const at of near) {
      const [i, j] = [row + at % rows, column + Math.floor(at / rows)];
      raise(i, screen.estimate(sums[at], i, j) - screen.bound(i, j));
    }
    for (const at of near) {
      const [i, j] = [row + at % rows, column + Math.floor(at / rows)];
      if (screen.estimate(sums[at], i, j) + screen.bound(i, j) < cuts[i]) continue;
      if (skipSame && firstRow + i === firstColumn + j) continue;
      candidates++;
      const value = screen.cosine(i, j);
      // Columns are in ascending order: of equals the first counts.
      if (value <= values[i]) continue;
      values[i] = value;
      indices[i] = firstColumn + j;
      raise(i, value);
    }
  });
  Atomics.add(args.counts, 0, candidates);
}

/**
 * Sets bit j of a row's `words` words where the cosine of the row and column j is at least `least`, over
 * items of `blocks` blocks of rows.
 */
export function findEdges(
  args: Compared & { edges: Uint32Array; words: number; least: number },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { edges, words, least } = args;
  // Cosines are clamped to [−1, 1].
  const [cut, sure] = [least > -1 ? least : -Infinity, least <= 1 ? least : Infinity];
  const screen = createScreen(args, from, to, thread);
  let candidates = 0;
  multiplyTiles(args, from, to, thread, (tile) => {
    const { sums, row, rows, column } = tile;
    for (const at of screen.list(tile, () => cut)) {
      const [i, j] = [row + at % rows, column + Math.floor(at / rows)];
      const [estimate, bound] = [screen.estimate(sums[at], i, j), screen.bound(i, j)];
      if (estimate + bound < cut) continue;
      if (estimate - bound < sure) {
        candidates++;
        if (screen.cosine(i, j) < least) continue;
      }
      edges[i * words + (j >> 5)] |= 1 << j;
    }
  });
  Atomics.add(args.counts, 0, candidates);
}

/** Sums of 8-bit products: of columns (here `latents`) from `column` on with rows from `row` on. */
interface Tile extends Sums {
  row: number;
  column: number;
}

/** Bounds of cosines from their estimates. */
function createScreen(args: Compared, from: number, to: number, thread: Thread) {
  const { rowScale, rowError, columnScale, columnError, n, d, blocks } = args;
  const { inverse, least, rowCuts, best, pairs } = scratchOf(args, thread);
  const [groupMaxima, scanSums] = [groupMaximaOn(thread), scanSumsOn(thread)];
  const dot = dotOn(thread);
  // A bound is own[row] + factor[row] · columnError[column].
  const [own, factor] = [new Float64Array(n), new Float64Array(n)];
  const rest = dotError(d) * ONE ** 2 + SLACK;
  let maxFactor = 0;
  for (let row = from * blocks * BLOCK; row < Math.min(n, to * blocks * BLOCK); row++) {
    own[row] = rowError[row] * ONE + rest;
    factor[row] = ONE + rowError[row];
    maxFactor = Math.max(maxFactor, factor[row]);
  }
  return {
    /** The estimate of a cosine. Rows of zeros have sums of 0, for any scale. */
    estimate: (sum: number, row: number, column: number) =>
      sum * (rowScale[row] || 1) * (columnScale[column] || 1),
    /** Bound of its difference from the exact dot. */
    bound: (row: number, column: number) => own[row] + factor[row] * columnError[column],
    cosine: (row: number, column: number) =>
      Math.max(-1, Math.min(1, dot(args.rows, row * d, args.columns, column * d, d))),
    /** Calls `tell` with a lower bound of each row's largest cosine in a tile. */
    bestLower(tile: Tile, tell: (row: number, value: number) => void): void {
      const { row, rows, column, latents: columns } = tile;
      const [step, less] = [inverse, least];
      for (let i = 0; i < columns; i++) {
        step[i] = columnScale[column + i] || 1;
        less[i] = -maxFactor * columnError[column + i];
      }
      groupMaxima(tile, step, less, best.fill(-Infinity), { group: 0, groups: 1 });
      for (let r = 0; r < rows; r++) tell(row + r, best[r] - own[row + r]);
    },
    /** The pairs i · rows + r of a tile that may reach a cut, by the largest factor, so a few too many. */
    list(tile: Tile, cutOf: (row: number) => number): Uint32Array {
      const { row, rows, column, latents: columns } = tile;
      for (let i = 0; i < columns; i++) {
        inverse[i] = 1 / (columnScale[column + i] || 1);
        least[i] = -maxFactor * columnError[column + i] * inverse[i];
      }
      for (let r = 0; r < rows; r++) rowCuts[r] = cutOf(row + r) - own[row + r];
      return pairs.subarray(0, scanSums(tile, rowCuts, inverse, least, pairs));
    },
  };
}

/** Scratch of one thread, in the device's memory, so that SIMD can access it. */
function scratchOf({ scratch, m }: Compared, { index }: Thread) {
  const slice = Math.min(SLICE, m);
  let at = scratch.byteOffset + 4 * cosineScratch(m) * index;
  const take = <T>(
    View: new (buffer: ArrayBuffer, at: number, length: number) => T,
    length: number,
  ) => new View(scratch.buffer as ArrayBuffer, (at += 4 * length) - 4 * length, length);
  return {
    sums: take(Int32Array, slice * BLOCK),
    pairs: take(Uint32Array, slice * BLOCK),
    inverse: take(Float32Array, slice),
    least: take(Float32Array, slice),
    scale: take(Float32Array, BLOCK),
    rowCuts: take(Float32Array, BLOCK),
    best: take(Float32Array, BLOCK),
  };
}

/** Multiplies slices of columns with blocks of rows, for each row in ascending order of columns. */
function multiplyTiles(
  args: Compared,
  from: number,
  to: number,
  thread: Thread,
  use: (tile: Tile) => void,
): void {
  const { rowBytes, rowScale, columnBytes, n, m, d, blocks } = args;
  const { sums: scanned, scale } = scratchOf(args, thread);
  // ONNX Runtime cannot read shared memory.
  const room = { a: new Uint8Array(Math.min(SLICE, m) * d), b: new Int8Array(BLOCK * d) };
  for (let column = 0; column < m; column += SLICE) {
    const columns = Math.min(SLICE, m - column);
    const a = room.a.subarray(0, columns * d);
    a.set(columnBytes.subarray(column * d, (column + columns) * d));
    for (let row = from * blocks * BLOCK; row < Math.min(n, to * blocks * BLOCK); row += BLOCK) {
      const rows = Math.min(BLOCK, n - row);
      const b = room.b.subarray(0, rows * d);
      b.set(rowBytes.subarray(row * d, (row + rows) * d));
      const sizes = { rows: columns, inner: d, cols: rows };
      const product = thread.integerProduct.multiply(a, b, sizes);
      const sums = product;
      // SIMD can access the device's memory only.
      if (thread.simd) scanned.set(sums);
      for (let r = 0; r < rows; r++) scale[r] = rowScale[row + r] || 1;
      use({ sums: thread.simd ? scanned : sums, scale, rows, latents: columns, row, column });
      // Frees the sums at once: with the garbage collector they take 80 MiB more.
      (sums.buffer as ArrayBuffer).transfer(0);
    }
  }
}
