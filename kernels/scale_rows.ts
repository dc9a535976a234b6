/**
 * Scales rows in place: x[r, c] *= scale[r].
 *
 * Bindings: sizes {numbers, cols}, scale [rows], x [rows, cols].
 */
export function scaleRows(): string {
  return `
struct Sizes { numbers: u32, cols: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (id.x + id.y * count.x) * 256u + lane;
  if (at < sizes.numbers) { x[at] *= scale[at / sizes.cols]; }
}`;
}
