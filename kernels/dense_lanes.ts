import { type Bindings, defineKernel, type Fields, readTexture, uniforms } from "./define.ts";
import type { Epilogue } from "./epilogues.ts";

/** Rows per workgroup of {@linkcode denseLanes}. */
export const LANE_ROWS = 16;

/** Columns per workgroup: `LANE_COLUMNS` per lane. */
export const LANE_PANEL = 256;

/** Threads per workgroup. */
export const LANES = 32;

/** Columns per lane. */
export const LANE_COLUMNS = LANE_PANEL / LANES;

/**
 * The dense product of rows and columns, as `denseTiled`, for software adapters: each lane has 8 columns and
 * 16 × 8 sums, without workgroup memory. llvmpipe loads a number that all lanes share once if it comes from
 * a uniform buffer, and numbers that differ between lanes fastest from a texture; from storage buffers it
 * loads them lane by lane. Measured with Mesa 22.3, d 768, in GFLOP per second of CPU time: 10; with 4
 * columns per lane 7, 8 rows 7.5, 64 lanes 8.5; with columns from a storage buffer 3, with both from storage
 * buffers 1. The code does not depend on d: a row has `steps` vec4.
 *
 * `panels`: texel (j, p · steps + c) has numbers 4c … 4c + 3 of column j of panel p. `rows`: one uniform
 * buffer with as many rows as fit, else 16 / `buffers` rows in each, with `vectors` vec4. One workgroup per
 * 16 rows and panel.
 */
export function denseLanes<S extends Fields, B extends Bindings>(
  { buffers, vectors, epilogue }: {
    buffers: number;
    vectors: number;
    epilogue: Epilogue<S, B>;
  },
) {
  const rows = [...Array(LANE_ROWS).keys()];
  const columns = [...Array(LANE_COLUMNS).keys()];
  const perBuffer = LANE_ROWS / buffers;
  return defineKernel({
    label: `${epilogue.label} lanes`,
    sizes: { rows: "u32", cols: "u32", steps: "u32", ...epilogue.sizes },
    bind: {
      panels: readTexture,
      rows: uniforms(buffers, `array<vec4f, ${vectors}>`),
      ...epilogue.bind,
    },
    workgroup: LANES,
    globals: epilogue.globals,
    body: `
  let across = (sizes.cols + ${LANE_PANEL - 1}u) / ${LANE_PANEL}u;
  let row = group / across * ${LANE_ROWS}u;
  let panel = group % across;
  if (row >= sizes.rows) { return; }
${
      rows.map((r) =>
        buffers === 1
          ? `  let x${r} = min(row + ${r}u, sizes.rows - 1u) * sizes.steps;`
          : `  let x${r} = ${r % perBuffer}u * sizes.steps;`
      ).join("\n")
    }
${rows.flatMap((r) => columns.map((v) => `  var s${r}_${v} = 0.0;`)).join("\n")}
  for (var c = 0u; c < sizes.steps; c++) {
    let y = panel * sizes.steps + c;
${
      columns.map((v) => `    let b${v} = textureLoad(panels, vec2u(lane + ${v * LANES}u, y), 0);`)
        .join("\n")
    }
${
      rows.map((r) =>
        `    let a${r} = rows${Math.floor(r / perBuffer)}[x${r} + c];\n` +
        columns.map((v) => `    s${r}_${v} += dot(a${r}, b${v});`).join("\n")
      ).join("\n")
    }
  }
  let column = panel * ${LANE_PANEL}u + lane;
  let slots = across * ${LANES}u;
  let slot = panel * ${LANES}u + lane;
${
      epilogue.write({
        rows: LANE_ROWS,
        columns: LANE_COLUMNS,
        sum: (r, v) => `s${r}_${v}`,
        column: (v) => `column + ${v * LANES}u`,
      })
    }`,
  });
}
