/**
 * Lays rows of d numbers out for `encodeLanes`, as vectors of four, zeros behind the last number.
 *
 * - to "panels": row i is latent i % each of panel i / each; zeros fill the last panel.
 * - to "rows": row i lies at vector i % each · steps of uniform buffer i / each.
 *
 * Bindings: sizes {rows, first, d, steps, each, vectors}, source [≥ first + rows, d], then the panels (a
 * texture, `each` wide) or the rows, [buffers, vectors]. One thread a vector; rows are taken from
 * row `first` on.
 */
export function layLanes({ to }: { to: "panels" | "rows" }): string {
  const panels = to === "panels";
  return `
struct Sizes { rows: u32, first: u32, d: u32, steps: u32, each: u32, vectors: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> source: array<f32>;
${
    panels
      ? "@group(0) @binding(2) var panels: texture_storage_2d<rgba32float, write>;"
      : "@group(0) @binding(2) var<storage, read_write> rows: array<vec4f>;"
  }

fn number(row: u32, at: u32) -> f32 {
  if (row >= sizes.rows || at >= sizes.d) { return 0.0; }
  return source[(sizes.first + row) * sizes.d + at];
}

fn vector(row: u32, c: u32) -> vec4f {
  let at = 4u * c;
  return vec4f(number(row, at), number(row, at + 1u), number(row, at + 2u), number(row, at + 3u));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (id.x + id.y * count.x) * 64u + lane;
${
    panels
      ? `  let y = at / sizes.each;
  let panel = y / sizes.steps;
  if (panel * sizes.each >= sizes.rows) { return; }
  let value = vector(panel * sizes.each + at % sizes.each, y % sizes.steps);
  textureStore(panels, vec2u(at % sizes.each, y), value);`
      : `  let row = at / sizes.steps;
  let c = at % sizes.steps;
  if (row >= sizes.rows) { return; }
  rows[row / sizes.each * sizes.vectors + row % sizes.each * sizes.steps + c] = vector(row, c);`
  }
}`;
}
