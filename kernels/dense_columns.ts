import { type Bindings, defineKernel, type Fields, read } from "./define.ts";
import { addStage, declareSums, endTile, placeTile, TILE, tiles } from "./dense_tiled.ts";
import type { Epilogue } from "./epilogues.ts";

/**
 * The dense products a · w and, with `transposed`, aᵀ · w, of w [depth, cols]: sums over the rows of w,
 * where `denseTiled` sums over its columns. a is [rows, depth], or with `transposed` [depth, rows]; it is
 * part of x, whose rows have `xStride` numbers, from number xFirst on. With `vector` 4 divides all these
 * sizes (with `transposed` except depth).
 *
 * Tiles are those of `denseTiled`; operands in the tiles' layout are not transposed. Sums are float32 in
 * the order of depth. One workgroup per 128 rows and 128 columns.
 */
export function denseColumns<S extends Fields, B extends Bindings>(
  { transposed, vector, epilogue }: {
    transposed: boolean;
    vector: boolean;
    epilogue: Epilogue<S, B>;
  },
) {
  // Four adjacent numbers; those after `end` are not used.
  const four = (matrix: string, begin: string, at: string, end: string) =>
    vector
      ? `${matrix}[(${begin} + min(${at}, ${end} - 4u)) / 4u]`
      : `vec4f(${
        [0, 1, 2, 3].map((j) => `${matrix}[${begin} + min(${at} + ${j}u, ${end} - 1u)]`).join(", ")
      })`;
  // Columns c … c + 3 of row k; zeros if there is no such row.
  const across = (matrix: string, begin: string, at: string, end: string) =>
    `select(vec4f(), ${four(matrix, begin, at, end)}, k < sizes.depth)`;
  const element = vector ? "vec4f" : "f32";
  const fromX = transposed
    ? across("x", "sizes.xFirst + inside * sizes.xStride", "row0 + quad", "sizes.rows")
    // Numbers after the row's end are multiplied by zeros of w, but 0 · ∞ would be NaN.
    : vector
    ? `select(vec4f(), ${four("x", "xRow", "c", "sizes.depth")}, c < sizes.depth)`
    : `select(vec4f(), ${
      four("x", "xRow", "c", "sizes.depth")
    }, vec4u(c, c + 1u, c + 2u, c + 3u) < vec4u(sizes.depth))`;
  return defineKernel({
    label: `${epilogue.label} columns`,
    sizes: {
      ...{ rows: "u32", cols: "u32", depth: "u32", xFirst: "u32", xStride: "u32" },
      ...epilogue.sizes,
    },
    bind: { x: read(element), w: read(element), ...epilogue.bind },
    workgroup: 256,
    globals: [...tiles("vec4f"), ...epilogue.globals ?? []],
    body: `
${placeTile()}
  let quad = lane % ${TILE / 4}u * 4u;
${
      transposed
        ? ""
        : "  let xRow = sizes.xFirst + min(row0 + loadLine, sizes.rows - 1u) * sizes.xStride;"
    }
${declareSums("vec4f")}
  for (var base = 0u; base < sizes.depth; base += 8u) {
    let k = base + lane / ${TILE / 4}u;
    let inside = min(k, sizes.depth - 1u);
    let c = base + loadColumn;
    let fromX = ${fromX};
    let fromW = ${across("w", "inside * sizes.cols", "column0 + quad", "sizes.cols")};
    workgroupBarrier();
${
      transposed
        ? "    tileX[lane] = fromX;"
        : [0, 1, 2, 3].map((j) =>
          `    tileX[(loadColumn + ${j}u) * 32u + loadLine / 4u][loadLine % 4u] = fromX[${j}];`
        ).join("\n")
    }
    tileW[lane] = fromW;
    workgroupBarrier();
${addStage((sum, a, b) => `${sum} += ${a} * ${b};`)}
  }
${endTile(epilogue)}`,
  });
}
