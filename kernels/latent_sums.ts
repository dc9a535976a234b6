/**
 * Gradient of the encoder bias: sums[i] = Σ of the deltas of latent i, in order of row.
 *
 * Bindings: sizes {latents}, latentOffsets, factors (pairs; the second number is delta), sums. One
 * lane a latent.
 */
export function latentSums(): string {
  return `
struct Sizes { latents: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(2) var<storage, read> factors: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = (id.x + id.y * count.x) * 64u + lane;
  if (latent >= sizes.latents) { return; }
  var sum = 0.0;
  let end = latentOffsets[latent + 1u];
  for (var entry = latentOffsets[latent]; entry < end; entry++) { sum += factors[entry].y; }
  sums[latent] = sum;
}`;
}
