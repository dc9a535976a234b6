/**
 * Thresholds of JumpReLU from their logarithms: theta[i] = exp(logTheta[i]), and reach[i] = theta[i] −
 * half, above which a pre-activation is active or counts for θ's gradient (half: half the bandwidth).
 *
 * Bindings: sizes {latents, half}, logTheta, theta, reach. One lane a latent.
 */
export function jumpThresholds(): string {
  return `
struct Sizes { latents: u32, half: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> logTheta: array<f32>;
@group(0) @binding(2) var<storage, read_write> theta: array<f32>;
@group(0) @binding(3) var<storage, read_write> reach: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let latent = (id.x + id.y * count.x) * 64u + lane;
  if (latent >= sizes.latents) { return; }
  let own = exp(logTheta[latent]);
  theta[latent] = own;
  reach[latent] = own - sizes.half;
}`;
}
