import { type Bindings, defineKernel, type Fields, read } from "./define.ts";
import type { Epilogue } from "./epilogues.ts";
import { rowElements } from "./prelude.ts";

/** Rows and columns of the tile of one workgroup of {@linkcode denseTiled}. */
export const TILE = 128;

/** Rows and columns of one of its threads. */
export const TILE_EACH = 8;

/**
 * The dense product x · wᵀ of x [≥ firstRow + rows, d], from row firstRow on, and w [cols, d], for hardware
 * adapters: a workgroup of 256 threads computes 128 × 128 sums, 8 × 8 a thread, and stages both operands in
 * 8 KiB of workgroup memory, 8 columns of them at a time, transposed so that a thread's 8 numbers are two
 * vectors. Sums are float32 in the order of d. The epilogue says what becomes of them. One workgroup for
 * each 128 rows and 128 columns.
 */
export function denseTiled<S extends Fields, B extends Bindings>(
  { d, epilogue }: { d: number; epilogue: Epilogue<S, B> },
) {
  const eight = [...Array(TILE_EACH).keys()];
  const { element } = rowElements(d);
  const vector = element === "vec4f";
  // Numbers past d read as zero, so that the last stage of an odd width adds nothing.
  const load = (matrix: string, row: string) =>
    vector
      ? `select(vec4f(), ${matrix}[${row} * ${d / 4}u + min(c / 4u, ${d / 4 - 1}u)], c < ${d}u)`
      : `vec4f(${
        [0, 1, 2, 3].map((j) =>
          `select(0.0, ${matrix}[${row} * ${d}u + min(c + ${j}u, ${d - 1}u)], c + ${j}u < ${d}u)`
        ).join(", ")
      })`;
  return defineKernel({
    label: `${epilogue.label} tiled`,
    sizes: { rows: "u32", cols: "u32", firstRow: "u32", ...epilogue.sizes },
    bind: { x: read(element), w: read(element), ...epilogue.bind },
    workgroup: 256,
    globals: [
      "var<workgroup> tileX: array<vec4f, 256>;",
      "var<workgroup> tileW: array<vec4f, 256>;",
      ...(epilogue.globals ?? []),
    ],
    body: `
  let across = (sizes.cols + ${TILE - 1}u) / ${TILE}u;
  let row0 = group / across * ${TILE}u;
  let column0 = group % across * ${TILE}u;
  if (row0 >= sizes.rows) { return; }
  let loadLine = lane % ${TILE}u;
  let loadColumn = lane / ${TILE}u * 4u;
  let xRow = sizes.firstRow + min(row0 + loadLine, sizes.rows - 1u);
  let wRow = min(column0 + loadLine, sizes.cols - 1u);
  let down = lane / 16u;
  let right = lane % 16u;
${eight.map((r) => `  var s${r}l = vec4f(); var s${r}h = vec4f();`).join("\n")}
  for (var base = 0u; base < ${d}u; base += 8u) {
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
${
      eight.map((c) =>
        `    {
      let al = tileX[${c * 32}u + down * 2u]; let ah = tileX[${c * 32 + 1}u + down * 2u];
      let bl = tileW[${c * 32}u + right * 2u]; let bh = tileW[${c * 32 + 1}u + right * 2u];
${
          eight.map((r) => {
            const a = `${r < 4 ? "al" : "ah"}[${r % 4}]`;
            return `      s${r}l += ${a} * bl; s${r}h += ${a} * bh;`;
          }).join("\n")
        }
    }`
      ).join("\n")
    }
  }
  let row = row0 + down * ${TILE_EACH}u;
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
    }`,
  });
}
