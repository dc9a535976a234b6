/**
 * Subtracts the decoder bias from a batch: centered[r, c] = x[r, c] − bDec[c]. Notes the
 * smallest index at which x is not finite, as the largest complement: bad[0] stays 0 where all is well.
 *
 * Bindings: sizes {numbers, d}, x, bDec [d], centered, bad.
 */
export function center(): string {
  return `
struct Sizes { numbers: u32, d: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> centered: array<f32>;
@group(0) @binding(4) var<storage, read_write> bad: array<atomic<u32>>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (id.x + id.y * count.x) * 256u + lane;
  if (at >= sizes.numbers) { return; }
  let value = x[at];
  // A comparison with NaN may be optimised away: the exponent's bits tell.
  if ((bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u) { atomicMax(&bad[0], ~at); }
  centered[at] = value - bias[at % sizes.d];
}`;
}
