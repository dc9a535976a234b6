// Epilogues: what the dense products (`denseTiled`, `denseLanes`) do with the sums of each thread.
import { type Bindings, type Fields, read, when, write } from "./define.ts";

/** The `rows` × `columns` sums of one thread. */
export interface ThreadTile {
  /** Number of rows per thread: consecutive rows from the variable `row` on. */
  rows: number;
  /** Number of columns per thread. */
  columns: number;
  /** WGSL expression for the sum of a row and a column of the thread. */
  sum(row: number, column: number): string;
  /** WGSL expression for a column's index in the product; there is no such column if it is `cols` or more. */
  column(column: number): string;
}

/**
 * The end of a product. `write` can use `sizes.rows` and `sizes.cols` of the product; `row`, the thread's
 * first row; `slots`, the number of threads that share a row, and `slot`, the index of this one.
 */
export interface Epilogue<S extends Fields = Fields, B extends Bindings = Bindings> {
  /** Its name in messages. */
  label: string;
  /** Sizes in addition to the product's. */
  sizes: S;
  /** Bindings in addition to the product's. */
  bind: B;
  /** Declarations, such as workgroup memory. */
  globals?: string[];
  /** Its statements, in WGSL. */
  write(tile: ThreadTile): string;
}

const define = <const S extends Fields, const B extends Bindings>(
  epilogue: Epilogue<S, B>,
): Epilogue<S, B> => epilogue;

const each = (count: number, statement: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => statement(at)).join("\n");

/**
 * z[outRow + row, first + column] = max(0, sum + bias[first + column]); rows of z are `stride` numbers
 * long.
 */
export const storeRelu = define({
  label: "encode",
  sizes: { stride: "u32", first: "u32", outRow: "u32" },
  bind: { bias: read("f32"), z: write("f32") },
  write: ({ rows, columns, sum, column }) =>
    each(columns, (v) =>
      `  if (${column(v)} < sizes.cols) {
    let b = bias[sizes.first + ${column(v)}];
    let at = (sizes.outRow + row) * sizes.stride + sizes.first + ${column(v)};
${
        each(rows, (r) =>
          `    if (row + ${r}u < sizes.rows) { z[at + ${r}u * sizes.stride] = max(0.0, ${
            sum(r, v)
          } + b); }`)
      }
  }`),
});

/** out[row, first + column] = scale · sum; rows of `out` are `stride` numbers long. */
export const storeScaled = define({
  label: "scaled",
  sizes: { stride: "u32", first: "u32", scale: "f32" },
  bind: { out: write("f32") },
  write: ({ rows, columns, sum, column }) =>
    each(columns, (v) =>
      `  if (${column(v)} < sizes.cols) {
    let at = row * sizes.stride + sizes.first + ${column(v)};
${
        each(rows, (r) =>
          `    if (row + ${r}u < sizes.rows) { out[at + ${r}u * sizes.stride] = sizes.scale * ${
            sum(r, v)
          }; }`)
      }
  }`),
});

/** out[row, column] = minuend[row, column] − sum; without `targets` out[row, column] −= sum. */
export const subtract = <Targets extends boolean>({ targets }: { targets: Targets }) =>
  define({
    label: targets ? "residual" : "subtract",
    sizes: {},
    bind: { out: write("f32"), minuend: when(targets, read("f32")) },
    write: ({ rows, columns, sum, column }) =>
      each(columns, (v) =>
        `  if (${column(v)} < sizes.cols) {
    let at = row * sizes.cols + ${column(v)};
${
          each(rows, (r) => {
            const place = `at + ${r}u * sizes.cols`;
            return `    if (row + ${r}u < sizes.rows) { out[${place}] = ${
              targets ? "minuend" : "out"
            }[${place}] - ${sum(r, v)}; }`;
          })
        }
  }`),
  });

const cosine = (sum: string) => `clamp(${sum}, -1.0, 1.0)`;

/**
 * Writes the largest cosine of each row among a thread's columns, and its column's index (of equals the
 * lowest), to values and indices [rows, slots]; −2 if there is none. Column c has index firstColumn + c;
 * with skipSame 1, row r is not compared with index firstIndex + r.
 */
export const keepMaxima = define({
  label: "maxima",
  sizes: { firstIndex: "u32", firstColumn: "u32", skipSame: "u32" },
  bind: { values: write("f32"), indices: write("u32") },
  write: ({ rows, columns, sum, column }) =>
    each(rows, (r) =>
      `  if (row + ${r}u < sizes.rows) {
    var best = -2.0;
    var which = 0xffffffffu;
    let same = select(0xffffffffu, sizes.firstIndex + row + ${r}u, sizes.skipSame == 1u);
${
        each(columns, (v) =>
          `    {
      let value = ${cosine(sum(r, v))};
      let index = sizes.firstColumn + ${column(v)};
      if (value > best && ${column(v)} < sizes.cols && index != same) {
        best = value;
        which = index;
      }
    }`)
      }
    values[(row + ${r}u) * slots + slot] = best;
    indices[(row + ${r}u) * slots + slot] = which;
  }`),
});

/**
 * Writes a bit per cosine that reaches the threshold: bit r · columns + v of a thread's words is its row r,
 * column v. A thread has rows · columns / 32 words, from element out + (row / rows · slots + slot) times that
 * number on.
 */
export const keepEdges = define({
  label: "edges",
  sizes: { out: "u32", threshold: "f32" },
  bind: { words: write("u32") },
  write: ({ rows, columns, sum, column }) => {
    const words = rows * columns / 32;
    return `${each(words, (w) => `  var bits${w} = 0u;`)}
${
      each(rows, (r) =>
        each(columns, (v) => {
          const bit = r * columns + v;
          return `  if (${cosine(sum(r, v))} >= sizes.threshold && row + ${r}u < sizes.rows && ` +
            `${column(v)} < sizes.cols) { bits${bit >> 5} |= ${2 ** (bit & 31)}u; }`;
        }))
    }
  let own = sizes.out + (row / ${rows}u * slots + slot) * ${words}u;
${each(words, (w) => `  words[own + ${w}u] = bits${w};`)}`;
  },
});
