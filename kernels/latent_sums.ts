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
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= sizes.latents) { return; }
  var sum = 0.0;
  let end = latentOffsets[id.x + 1u];
  for (var entry = latentOffsets[id.x]; entry < end; entry++) { sum += factors[entry].y; }
  sums[id.x] = sum;
}`;
}
