import { type Bindings, defineKernel, type Fields, read } from "./define.ts";
import type { Epilogue } from "./epilogues.ts";
import { countColumns, findListed, latentOf, list } from "./listed_columns.ts";

/** Rows and columns of a workgroup's tile in {@linkcode denseTiled}. */
export const TILE = 128;

/** Rows and columns per thread. */
export const TILE_EACH = 8;

/**
 * Number format of a dense product's operands: float32, float16, or 8-bit integers packed four to a word.
 * Rows of the latter two are padded with zeros to whole vectors of four float16 numbers or words.
 */
export type Factors = "float32" | "float16" | "int8";

/** Number of vectors of four elements (words for 8-bit integers) in a padded row. */
export const vectorsOf = (factors: Factors, d: number): number =>
  Math.ceil(d / (factors === "int8" ? 16 : 4));

const EIGHT = [...Array(TILE_EACH).keys()];

/**
 * WGSL that declares the position of a workgroup's tile among `cols` columns, and the part that a thread
 * loads. Workgroups without a row return; `or` may add a further condition.
 */
export const placeTile = (cols = "sizes.cols", or = ""): string =>
  `  let across = (${cols} + ${TILE - 1}u) / ${TILE}u;
  let row0 = group / across * ${TILE}u;
  let column0 = group % across * ${TILE}u;
  if (row0 >= sizes.rows${or}) { return; }
  let loadLine = lane % ${TILE}u;
  let loadColumn = lane / ${TILE}u * 4u;`;

/** WGSL that declares a thread's sums, two vectors of `type` per row. */
export const declareSums = (type: "vec4f" | "vec4i"): string =>
  `  let down = lane / 16u;
  let right = lane % 16u;
${EIGHT.map((r) => `  var s${r}l = ${type}(); var s${r}h = ${type}();`).join("\n")}`;

/** Workgroup memory for 8 columns of 128 rows of each operand, transposed. */
export const tiles = (type: string): string[] =>
  ["X", "W"].map((name) => `var<workgroup> tile${name}: array<${type}, 256>;`);

/** WGSL that adds a stage of 8 columns; `add` returns a statement for a sum, a number of x and a vector of w. */
export const addStage = (add: (sum: string, a: string, b: string) => string): string =>
  EIGHT.map((c) =>
    `    {
      let al = tileX[${c * 32}u + down * 2u]; let ah = tileX[${c * 32 + 1}u + down * 2u];
      let bl = tileW[${c * 32}u + right * 2u]; let bh = tileW[${c * 32 + 1}u + right * 2u];
${
      EIGHT.map((r) => {
        const a = `${r < 4 ? "al" : "ah"}[${r % 4}]`;
        return `      ${add(`s${r}l`, a, "bl")} ${add(`s${r}h`, a, "bh")}`;
      }).join("\n")
    }
    }`
  ).join("\n");

/** WGSL that passes a thread's sums to the epilogue. */
export const endTile = (epilogue: Pick<Epilogue, "write">): string =>
  `  let row = row0 + down * ${TILE_EACH}u;
  let column = column0 + right * ${TILE_EACH}u;
  let slots = across * 16u;
  let slot = column / ${TILE_EACH}u;
${
    epilogue.write({
      rows: TILE_EACH,
      columns: TILE_EACH,
      sum: (r, v) => `s${r}${v < 4 ? "l" : "h"}[${v % 4}]`,
      column: (v) => `column + ${v}u`,
    })
  }`;

/**
 * The dense product x · wᵀ of x [≥ firstRow + rows, d], from row firstRow on, and w [cols, d], for hardware
 * adapters: a workgroup of 256 threads computes 128 × 128 sums, 8 × 8 per thread, and stages both operands
 * in 8 KiB of workgroup memory, 8 columns (32 for 8-bit integers) at a time, transposed so that a thread's 8
 * numbers are two vectors. The epilogue processes the sums. One workgroup per 128 rows and 128 columns.
 *
 * Sums of float32 are float32 in the order of d; those of whole numbers are exact; those of float16 are
 * float16 over 8 columns and float32 over all of them, so that errors do not grow with d.
 */
export function denseTiled<
  S extends Fields,
  B extends Bindings,
  Listed extends boolean = false,
>(
  { d, factors = "float32", vectors, listed = false as Listed, epilogue }: {
    d: number;
    factors?: Factors;
    /** WGSL expression for the vectors per row: a size of the epilogue, so that one kernel has all widths. */
    vectors?: string;
    /** Whether only latents of a list, from the epilogue's `first` on, are columns. */
    listed?: Listed;
    epilogue: Epilogue<S, B>;
  },
) {
  const vector = factors !== "float32" || d % 4 === 0;
  const four = { float32: "vec4f", float16: "vec4<f16>", int8: "vec4u" }[factors];
  const sums = factors === "int8" ? "vec4i" : "vec4f";
  const width = vectors ?? `${vectorsOf(factors, d)}u`;
  // Numbers after the row's end are 0, so that the last stage of an odd width adds nothing.
  const load = (matrix: string, row: string) =>
    vector
      ? `select(${four}(), ${matrix}[${row} * ${width} + min(c / 4u, ${width} - 1u)], c < 4u * ${width})`
      : `vec4f(${
        [0, 1, 2, 3].map((j) =>
          `select(0.0, ${matrix}[${row} * ${d}u + min(c + ${j}u, ${d - 1}u)], c + ${j}u < ${d}u)`
        ).join(", ")
      })`;
  const add = (sum: string, a: string, b: string) =>
    factors === "int8"
      ? `${sum} += vec4i(${
        [..."xyzw"].map((part) => `dot4I8Packed(${a}, ${b}.${part})`).join(", ")
      });`
      : `${factors === "float16" ? "p" : "s"}${sum.slice(1)} += ${a} * ${b};`;
  const halves = (line: (sum: string) => string) =>
    factors === "float16"
      ? EIGHT.map((r) => `    ${line(`${r}l`)} ${line(`${r}h`)}`).join("\n")
      : "";
  const element = vector ? four : "f32";
  const cols = listed ? "cols" : "sizes.cols";
  return defineKernel({
    label: `${epilogue.label} ${factors === "float32" ? "tiled" : factors}`,
    sizes: { rows: "u32", cols: "u32", firstRow: "u32", ...epilogue.sizes },
    bind: { x: read(element), w: read(element), ...epilogue.bind, list: list(listed) },
    workgroup: 256,
    enable: factors === "float16" ? "f16" : undefined,
    globals: [...tiles(four), ...epilogue.globals ?? [], ...findListed(listed)],
    body: `
${listed ? countColumns(true, { latents: "sizes.cols" }) : ""}
${placeTile(cols, listed ? " || cols == 0u" : "")}
  let xRow = sizes.firstRow + min(row0 + loadLine, sizes.rows - 1u);
  let wRow = ${
      listed
        ? latentOf(true, "min(column0 + loadLine, cols - 1u)") + " - sizes.first"
        : "min(column0 + loadLine, sizes.cols - 1u)"
    };
${declareSums(sums)}
  for (var base = 0u; base < ${vector ? `4u * ${width}` : `${d}u`}; base += 8u) {
    let c = base + loadColumn;
    let fromX = ${load("x", "xRow")};
    let fromW = ${load("w", "wRow")};
    workgroupBarrier();
${
      [0, 1, 2, 3].map((j) =>
        `    tileX[(loadColumn + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromX[${j}];\n` +
        `    tileW[(loadColumn + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromW[${j}];`
      ).join("\n")
    }
    workgroupBarrier();
${halves((sum) => `var p${sum} = ${four}();`)}
${addStage(add)}
${halves((sum) => `s${sum} += vec4f(p${sum});`)}
  }
${endTile(epilogue)}`,
  });
}
