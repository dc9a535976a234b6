import type { Thread } from "../device/cpu_stage.ts";
import { dotError, dotOn } from "./arithmetic.ts";

// Cosines screened as selections are (screen.ts): the product of two rounded unit rows is at most
//   ‖x − x̂‖ ‖w‖ + ‖x̂‖ ‖w − ŵ‖
// away from x · w. Only where this leaves open whether a pair counts does it get its exact float32 dot,
// and only such dots are ever told.

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
}

// Columns of a product: 1.5 MiB of 2048 columns of 768 bytes and 1 MiB of sums stay in a core's caches.
const SLICE = 2048;

/** Rows of a block of samples: one operand of an 8-bit product. */
export const BLOCK = 128;

// Norm of a unit row in float32, at most; and what the screening itself may be off by in float32.
const ONE = 1 + 2 ** -20;
const SLACK = 2 ** -20;

/** Products of columns `column` … with the rows `row` …: sums[i · rows + r]. */
interface Tile {
  sums: Int32Array;
  row: number;
  rows: number;
  column: number;
  columns: number;
}

/** How a row's sums are judged: with column i they are sum · scale · step, ± own + factor · error. */
interface RowBounds {
  scale: Float64Array;
  own: Float64Array;
  factor: Float64Array;
}

/**
 * The largest cosine of each row, and the first column that has it, over pieces of `blocks` blocks of rows.
 * `values` and `indices` begin with what is known already. A row's cut is the largest cosine that it is
 * known to reach: by an exact dot, or by the lower bound of an estimate.
 */
export async function findMaxima(
  args: Compared & { values: Float32Array; indices: Uint32Array; skipSame: boolean },
  from: number,
  to: number,
  thread: Thread,
): Promise<void> {
  const { values, indices, skipSame, firstRow, firstColumn } = args;
  const { columnScale, columnError } = args;
  const { scale, own, factor } = rowBounds(args, from, to);
  // What was cut to −1 may be lower still: −1 rules nothing out.
  const known = (value: number) => value > -1 ? Math.min(1, value) : -2;
  const cuts = Float64Array.from(values, known);
  const least = new Float64Array(BLOCK);
  const perError = new Float64Array(BLOCK);
  const cosine = cosineOf(args, thread);
  let candidates = 0;
  await multiplyTiles(args, from, to, thread, ({ sums, row, rows, column, columns }) => {
    // In units of the row's scale, one comparison a pair.
    const place = (r: number) => least[r] = (cuts[row + r] - own[row + r]) / scale[row + r];
    for (let r = 0; r < rows; r++) {
      place(r);
      perError[r] = factor[row + r] / scale[row + r];
    }
    const raise = (r: number, value: number) => {
      const cut = known(value);
      if (cut <= cuts[row + r]) return;
      cuts[row + r] = cut;
      place(r);
    };
    const reaches = (i: number, r: number) =>
      sums[i * rows + r] * columnScale[column + i] + perError[r] * columnError[column + i] >=
        least[r];
    const open: number[] = [];
    for (let i = 0, at = 0; i < columns; i++) {
      const [step, error] = [columnScale[column + i], columnError[column + i]];
      for (let r = 0; r < rows; r++, at++) {
        if (sums[at] * step + perError[r] * error < least[r]) continue;
        if (skipSame && firstRow + row + r === firstColumn + column + i) continue;
        open.push(at);
        const bound = own[row + r] + factor[row + r] * error;
        raise(r, sums[at] * scale[row + r] * step - bound);
      }
    }
    for (const at of open) {
      const i = Math.floor(at / rows);
      const r = at - i * rows;
      if (!reaches(i, r)) continue;
      candidates++;
      const value = cosine(row + r, column + i);
      // Columns come in ascending order: an equal one further on does not count.
      if (value <= values[row + r]) continue;
      values[row + r] = value;
      indices[row + r] = firstColumn + column + i;
      raise(r, value);
    }
  });
  Atomics.add(args.counts, 0, candidates);
}

/**
 * Sets bit j of words `row · words` … where the cosine of a row and column j is at least `least`, over
 * pieces of `blocks` blocks of rows.
 */
export async function findEdges(
  args: Compared & { edges: Uint32Array; words: number; least: number },
  from: number,
  to: number,
  thread: Thread,
): Promise<void> {
  const { edges, words, least, columnScale, columnError } = args;
  const { scale, own, factor } = rowBounds(args, from, to);
  const cosine = cosineOf(args, thread);
  // Every cosine is cut to [−1, 1].
  const [cut, sure] = [least > -1 ? least : -Infinity, least <= 1 ? least : Infinity];
  let candidates = 0;
  await multiplyTiles(args, from, to, thread, ({ sums, row, rows, column, columns }) => {
    for (let i = 0, at = 0; i < columns; i++) {
      const [step, error] = [columnScale[column + i], columnError[column + i]];
      for (let r = 0; r < rows; r++, at++) {
        const estimate = sums[at] * scale[row + r] * step;
        const bound = own[row + r] + factor[row + r] * error;
        if (estimate + bound < cut) continue;
        if (estimate - bound < sure) {
          candidates++;
          if (cosine(row + r, column + i) < least) continue;
        }
        edges[(row + r) * words + ((column + i) >> 5)] |= 1 << (column + i);
      }
    }
  });
  Atomics.add(args.counts, 0, candidates);
}

const cosineOf = ({ rows, columns, d }: Compared, thread: Thread) => {
  const dot = dotOn(thread);
  return (row: number, column: number) =>
    Math.max(-1, Math.min(1, dot(rows, row * d, columns, column * d, d)));
};

function rowBounds(
  { rowScale, rowError, n, d, blocks }: Compared,
  from: number,
  to: number,
): RowBounds {
  const [scale, own, factor] = [0, 0, 0].map(() => new Float64Array(n));
  const rest = dotError(d) * ONE ** 2 + SLACK;
  for (let row = from * blocks * BLOCK; row < Math.min(n, to * blocks * BLOCK); row++) {
    // A row of zeros has sums of zeros: any scale will do.
    scale[row] = rowScale[row] || 1;
    own[row] = rowError[row] * ONE + rest;
    factor[row] = ONE + rowError[row];
  }
  return { scale, own, factor };
}

/** Multiplies slices of columns with blocks of rows: ascending columns for each row. */
async function multiplyTiles(
  { rowBytes, columnBytes, n, m, d, blocks }: Compared,
  from: number,
  to: number,
  { integerProduct }: Thread,
  use: (tile: Tile) => void,
): Promise<void> {
  for (let column = 0; column < m; column += SLICE) {
    const columns = Math.min(SLICE, m - column);
    // Copies: ONNX Runtime takes no shared memory.
    const a = new Uint8Array(columnBytes.subarray(column * d, (column + columns) * d));
    for (let row = from * blocks * BLOCK; row < Math.min(n, to * blocks * BLOCK); row += BLOCK) {
      const rows = Math.min(BLOCK, n - row);
      const b = new Int8Array(rowBytes.subarray(row * d, (row + rows) * d));
      const sizes = { rows: columns, inner: d, cols: rows };
      const product = integerProduct.multiply(a, b, sizes);
      const sums = product instanceof Int32Array ? product : await product;
      use({ sums, row, rows, column, columns });
    }
  }
}
