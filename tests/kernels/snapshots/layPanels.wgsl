struct Sizes { rows: u32, first: u32, d: u32, steps: u32, each: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var panels: texture_storage_2d<rgba32float, write>;
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
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 64u + lane;
  let y = thread / sizes.each;
  let panel = y / sizes.steps;
  if (panel * sizes.each >= sizes.rows) { return; }
  let value = vector(panel * sizes.each + thread % sizes.each, y % sizes.steps);
  textureStore(panels, vec2u(thread % sizes.each, y), value);
}
