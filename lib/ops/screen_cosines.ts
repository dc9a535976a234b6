import type { Thread } from "../device/cpu_stage.ts";
import { dotError, dotOn } from "./arithmetic.ts";
import { groupMaximaOn, scanSumsOn, type Sums } from "./scan_sums.ts";

// Cosines screened as selections are (screen.ts): the product of two rounded unit rows is at most
//   ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖
// away from x · w. Only where this bound does not decide, the exact float32 dot is computed, and only exact
// dots are returned.

/** Rows and columns at norm 1, rounded to 8 bits: row ≈ scale · bytes, off by `error` at most. */
export interface Compared {
  rows: Float32Array;
  rowBytes: Int8Array;
  rowScale: Float32Array;
  rowError: Float32Array;
  columns: Float32Array;
  columnBytes: Uint8Array;
  columnScale: Float32Array;
  columnError: Float32Array;
  /** How many rows and columns there are, and the first of each in its matrix. */
  n: number;
  m: number;
  firstRow: number;
  firstColumn: number;
  d: number;
  /** Blocks of rows in one piece of work. */
  blocks: number;
  /** {exact dots}. */
  counts: Uint32Array;
  /** [threads, {@linkcode cosineScratch}] a part for each thread. */
  scratch: Float32Array;
}

// Columns of a product: 1.5 MiB of 2048 columns of 768 bytes and 1 MiB of sums stay in a core's caches.
const SLICE = 2048;

/** Rows of a block of samples: one operand of an 8-bit product. */
export const BLOCK = 128;

/** Numbers of scratch that each thread needs for `m` columns. */
export function cosineScratch(m: number): number {
  const slice = Math.min(SLICE, m);
  return 2 * slice * BLOCK + 2 * slice + 3 * BLOCK;
}

// Norm of a unit row in float32, at most; and what rounding and scanning in float32 may be off by.
const ONE = 1 + 2 ** -20;
const SLACK = 2 ** -20;

// The sum of a pair that takes no part. Up to this width it stands for a cosine below −2, since no scale
// is less than 1 / (127 √d).
const NO_SUM = -(2 ** 31);
const MOST_MASKED = 2 ** 15;

/**
 * The largest cosine of each row, and the first column that has it, over pieces of `blocks` blocks of rows.
 * `values` and `indices` begin with what is known already. A row's cut is the largest cosine that it is
 * known to reach: by an exact dot, or by the lower bound of an estimate.
 */
export function findMaxima(
  args: Compared & { values: Float32Array; indices: Uint32Array; skipSame: boolean },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { values, indices, skipSame, firstRow, firstColumn, d } = args;
  // What was cut to −1 may be lower still: −1 rules nothing out.
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
    // Begins with a high cut: later tiles have few pairs above it.
    if (column === 0 && !(skipSame && d > MOST_MASKED)) screen.bestLower(tile, raise);
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
      // Columns come in ascending order: an equal one further on does not count.
      if (value <= values[i]) continue;
      values[i] = value;
      indices[i] = firstColumn + j;
      raise(i, value);
    }
  });
  Atomics.add(args.counts, 0, candidates);
}

/**
 * Sets bit j of words `row · words` … where the cosine of a row and column j is at least `least`, over
 * pieces of `blocks` blocks of rows.
 */
export function findEdges(
  args: Compared & { edges: Uint32Array; words: number; least: number },
  from: number,
  to: number,
  thread: Thread,
): void {
  const { edges, words, least } = args;
  // Every cosine is cut to [−1, 1].
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
  let mostFactor = 0;
  for (let row = from * blocks * BLOCK; row < Math.min(n, to * blocks * BLOCK); row++) {
    own[row] = rowError[row] * ONE + rest;
    factor[row] = ONE + rowError[row];
    mostFactor = Math.max(mostFactor, factor[row]);
  }
  return {
    /** The estimate of a cosine. Rows of zeros have sums of zeros: any scale will do. */
    estimate: (sum: number, row: number, column: number) =>
      sum * (rowScale[row] || 1) * (columnScale[column] || 1),
    /** How far it is from the exact dot, at most. */
    bound: (row: number, column: number) => own[row] + factor[row] * columnError[column],
    cosine: (row: number, column: number) =>
      Math.max(-1, Math.min(1, dot(args.rows, row * d, args.columns, column * d, d))),
    /** Tells of each row of a tile a number that its largest cosine reaches. */
    bestLower(tile: Tile, tell: (row: number, value: number) => void): void {
      const { row, rows, column, latents: columns } = tile;
      const [step, less] = [inverse, least];
      for (let i = 0; i < columns; i++) {
        step[i] = columnScale[column + i] || 1;
        less[i] = -mostFactor * columnError[column + i];
      }
      groupMaxima(tile, step, less, best.fill(-Infinity), { group: 0, groups: 1 });
      for (let r = 0; r < rows; r++) tell(row + r, best[r] - own[row + r]);
    },
    /** The pairs i · rows + r of a tile that may reach a cut, by the largest factor: few too many. */
    list(tile: Tile, cutOf: (row: number) => number): Uint32Array {
      const { row, rows, column, latents: columns } = tile;
      for (let i = 0; i < columns; i++) {
        inverse[i] = 1 / (columnScale[column + i] || 1);
        least[i] = -mostFactor * columnError[column + i] * inverse[i];
      }
      for (let r = 0; r < rows; r++) rowCuts[r] = cutOf(row + r) - own[row + r];
      return pairs.subarray(0, scanSums(tile, rowCuts, inverse, least, pairs));
    },
  };
}

/** The scratch of one thread, in the device's memory so that SIMD sees it. */
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

/** Multiplies slices of columns with blocks of rows: each row meets the columns in ascending order. */
function multiplyTiles(
  args: Compared,
  from: number,
  to: number,
  thread: Thread,
  use: (tile: Tile) => void,
): void {
  const { rowBytes, rowScale, columnBytes, n, m, d, blocks } = args;
  const { sums: scanned, scale } = scratchOf(args, thread);
  // ONNX Runtime takes no shared memory.
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
      // And SIMD sees the device's memory alone.
      if (thread.simd) scanned.set(sums);
      for (let r = 0; r < rows; r++) scale[r] = rowScale[row + r] || 1;
      use({ sums: thread.simd ? scanned : sums, scale, rows, latents: columns, row, column });
      // Frees the sums now: left to the garbage collector they take 80 MiB more.
      (sums.buffer as ArrayBuffer).transfer(0);
    }
  }
}
