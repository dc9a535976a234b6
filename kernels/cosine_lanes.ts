/** Rows that `cosineLanes` compares in one dispatch. */
export const LANE_ROWS = 16;

/** Columns that one workgroup of `cosineLanes` compares them with: `LANE_VECTORS` a lane. */
export const LANE_PANEL = 256;

/** Threads of a workgroup of `cosineLanes`. */
export const LANES = 32;

/** Columns of a lane. */
export const LANE_VECTORS = LANE_PANEL / LANES;

/** Words of a lane's edges. */
export const LANE_WORDS = LANE_ROWS * LANE_VECTORS / 32;

/**
 * Cosines of 16 unit rows with many unit columns, for software adapters: each lane owns 8 columns and
 * keeps 16 × 8 sums. llvmpipe loads a number that all lanes share once, if it comes from a uniform
 * buffer, and numbers that differ between lanes fastest from a texture; from storage buffers it loads
 * them lane by lane in a loop. Measured there (Mesa 22.3, d 768, GFLOP a second of CPU time): 10; 4
 * columns a lane 7, 8 rows 7.5, 64 lanes 8.5; columns from a storage buffer 3, both from there 1.
 *
 * - mode "maxima": each lane's largest cosine a row, and its column (the lowest of equals);
 *   −2 where the lane has no column.
 * - mode "edges": a bit for each cosine that reaches the threshold; bit r · 8 + v of a lane's 128 is row
 *   r, column v · 32 + lane of the panel.
 *
 * Bindings: sizes {rows, cols, firstRow, firstCol, out, skipSame, threshold}, columns (a texture: texel
 * (j, p · steps + c) holds numbers 4c … 4c + 3 of column j of panel p), then values and indices [16,
 * lanes of all panels], or words from element `out` on [lanes of all panels, 4]; then the rows, as
 * uniform buffers of 16 / `buffers` rows each. Workgroup p compares with panel p.
 */
export function cosineLanes(
  { steps, buffers, mode }: { steps: number; buffers: number; mode: "maxima" | "edges" },
): string {
  const rows = [...Array(LANE_ROWS).keys()];
  const vectors = [...Array(LANE_VECTORS).keys()];
  const rowsPerBuffer = LANE_ROWS / buffers;
  const firstBinding = mode === "maxima" ? 4 : 3;
  return `
struct Sizes {
  rows: u32, cols: u32, firstRow: u32, firstCol: u32, out: u32, skipSame: u32, threshold: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var columns: texture_2d<f32>;
${
    mode === "maxima"
      ? `@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> indices: array<u32>;`
      : "@group(0) @binding(2) var<storage, read_write> words: array<u32>;"
  }
${
    [...Array(buffers).keys()].map((b) =>
      `@group(0) @binding(${firstBinding + b}) ` +
      `var<uniform> rows${b}: array<vec4f, ${rowsPerBuffer * steps}>;`
    ).join("\n")
  }

@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let panel = id.x + id.y * count.x;
  let panels = (sizes.cols + ${LANE_PANEL - 1}u) / ${LANE_PANEL}u;
  if (panel >= panels) { return; }
${rows.flatMap((r) => vectors.map((v) => `  var s${r}_${v} = 0.0;`)).join("\n")}
  for (var c = 0u; c < ${steps}u; c++) {
    let y = panel * ${steps}u + c;
${
    vectors.map((v) => `    let b${v} = textureLoad(columns, vec2u(lane + ${v * LANES}u, y), 0);`)
      .join("\n")
  }
${
    rows.map((r) => {
      const at = (r % rowsPerBuffer) * steps;
      return `    let a${r} = rows${Math.floor(r / rowsPerBuffer)}[c + ${at}u];\n` +
        vectors.map((v) => `    s${r}_${v} += dot(a${r}, b${v});`).join("\n");
    }).join("\n")
  }
  }
  let slot = panel * ${LANES}u + lane;
  let col = panel * ${LANE_PANEL}u + lane;
${mode === "maxima" ? keepMaxima(rows, vectors) : keepEdges(rows, vectors)}
}`;
}

function keepMaxima(rows: number[], vectors: number[]): string {
  return `  let slots = panels * ${LANES}u;
${
    rows.map((r) =>
      `  {
    var best = -2.0;
    var which = 0xffffffffu;
    let same = select(0xffffffffu, sizes.firstRow + ${r}u, sizes.skipSame == 1u);
${
        vectors.map((v) =>
          `    {
      let value = clamp(s${r}_${v}, -1.0, 1.0);
      let index = sizes.firstCol + col + ${v * LANES}u;
      if (value > best && col + ${v * LANES}u < sizes.cols && index != same) {
        best = value;
        which = index;
      }
    }`
        ).join("\n")
      }
    values[${r}u * slots + slot] = best;
    indices[${r}u * slots + slot] = which;
  }`
    ).join("\n")
  }`;
}

function keepEdges(rows: number[], vectors: number[]): string {
  const words = [...Array(LANE_WORDS).keys()];
  return `${words.map((w) => `  var bits${w} = 0u;`).join("\n")}
${
    rows.flatMap((r) =>
      vectors.map((v) => {
        const bit = r * LANE_VECTORS + v;
        return `  if (clamp(s${r}_${v}, -1.0, 1.0) >= sizes.threshold && ${r}u < sizes.rows && ` +
          `col + ${v * LANES}u < sizes.cols) { bits${bit >> 5} |= ${2 ** (bit & 31)}u; }`;
      })
    ).join("\n")
  }
${words.map((w) => `  words[sizes.out + slot * ${LANE_WORDS}u + ${w}u] = bits${w};`).join("\n")}`;
}
