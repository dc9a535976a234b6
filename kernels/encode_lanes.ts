/** Rows of a workgroup of `encodeLanes`. */
export const LANE_ROWS = 16;

/** Latents of a workgroup of `encodeLanes`: 8 a lane. */
export const LANE_PANEL = 256;

/** Threads of a workgroup of `encodeLanes`. */
export const LANES = 32;

/**
 * Pre-activations of a batch, after ReLU: z[r, i] = max(0, x[r] · wEnc[i] + bEnc[i]).
 *
 * For software adapters: each lane owns 8 latents and keeps 16 × 8 sums. llvmpipe loads a number that
 * all lanes share once, if it comes from a uniform buffer, and numbers that differ between lanes fastest
 * from a texture; from storage buffers it loads them lane by lane, at an eighth of the speed. Nothing
 * here depends on d.
 *
 * Bindings: sizes {rows, latents, stride, first, firstRow, steps}, panels (a texture: texel (j, p · steps
 * + c) holds numbers 4c … 4c + 3 of latent j of panel p), bEnc, z [rows, stride], then the rows: in one
 * uniform buffer as many as it holds, else 16 / `buffers` in each, of `vectors` vectors. They are row firstRow of z and the
 * following; latent i of the panels belongs to element first + i of bEnc and of z's rows. One workgroup
 * for each 16 rows and panel.
 */
export function encodeLanes(
  { buffers, vectors: held }: { buffers: number; vectors: number },
): string {
  const rows = [...Array(LANE_ROWS).keys()];
  const vectors = [...Array(LANE_PANEL / LANES).keys()];
  const rowsPerBuffer = LANE_ROWS / buffers;
  return `
struct Sizes { rows: u32, latents: u32, stride: u32, first: u32, firstRow: u32, steps: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var panels: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> z: array<f32>;
${
    [...Array(buffers).keys()].map((b) =>
      `@group(0) @binding(${4 + b}) var<uniform> rows${b}: array<vec4f, ${held}>;`
    ).join("\n")
  }

@compute @workgroup_size(${LANES})
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = id.x + id.y * count.x;
  let across = (sizes.latents + ${LANE_PANEL - 1}u) / ${LANE_PANEL}u;
  let row = tile / across * ${LANE_ROWS}u;
  let panel = tile % across;
  if (row >= sizes.rows) { return; }
${
    rows.map((r) =>
      buffers === 1
        ? `  let x${r} = min(row + ${r}u, sizes.rows - 1u) * sizes.steps;`
        : `  let x${r} = ${r % rowsPerBuffer}u * sizes.steps;`
    ).join("\n")
  }
${rows.flatMap((r) => vectors.map((v) => `  var s${r}_${v} = 0.0;`)).join("\n")}
  for (var c = 0u; c < sizes.steps; c++) {
    let y = panel * sizes.steps + c;
${
    vectors.map((v) => `    let b${v} = textureLoad(panels, vec2u(lane + ${v * LANES}u, y), 0);`)
      .join("\n")
  }
${
    rows.map((r) =>
      `    let a${r} = rows${Math.floor(r / rowsPerBuffer)}[x${r} + c];\n` +
      vectors.map((v) => `    s${r}_${v} += dot(a${r}, b${v});`).join("\n")
    ).join("\n")
  }
  }
${
    vectors.map((v) =>
      `  {
    let latent = panel * ${LANE_PANEL}u + lane + ${v * LANES}u;
    if (latent < sizes.latents) {
      let b = bias[sizes.first + latent];
      let at = (sizes.firstRow + row) * sizes.stride + sizes.first + latent;
${
        rows.map((r) =>
          `      if (row + ${r}u < sizes.rows) { z[at + ${r}u * sizes.stride] = max(0.0, s${r}_${v} + b); }`
        ).join("\n")
      }
    }
  }`
    ).join("\n")
  }
}`;
}
