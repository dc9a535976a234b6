/**
 * Gradient of JumpReLU's loss by log θ, latent by latent, with the rectangle r(u) = 1 for |u| < ½,
 * u = (z − θ)/ε: −(θ/ε) · (θ · Σ r·g + p · Σ r), sums over the samples, g = ∂(reconstruction)/∂f, p =
 * `penalty` of the sizes times `sparsity` of the step.
 *
 * An entry with the activation 0 lies in the window below θ: it counts here and then loses its g,
 * which must not reach the encoder. Where θ < ε/2 samples with z = 0 lie in the window too. They have
 * no entries; their Σ g is that of all samples, outputGradient · wDec[i], less that of the entries.
 *
 * Bindings: sizes {rows, firstLatent, latents, main, bandwidth, penalty}, theta, latentOffsets, factors
 * (pairs {main · activation, g}), wDec [latents, d] (one shard), outputGradient [d] = main · Σ_r e[r],
 * gradient [m], step {…, sparsity}. One lane a latent.
 */
export function thresholdGradients({ d }: { d: number }): string {
  return `
struct Sizes {
  rows: u32, firstLatent: u32, latents: u32, main: f32, bandwidth: f32, penalty: f32,
}
struct Step {
  step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> theta: array<f32>;
@group(0) @binding(2) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(3) var<storage, read_write> factors: array<vec2f>;
@group(0) @binding(4) var<storage, read> w: array<f32>;
@group(0) @binding(5) var<storage, read> outputGradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(7) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let own = (id.x + id.y * count.x) * 64u + lane;
  if (own >= sizes.latents) { return; }
  let latent = sizes.firstLatent + own;
  let limit = theta[latent];
  let half = 0.5 * sizes.bandwidth;
  let begin = latentOffsets[latent];
  let end = latentOffsets[latent + 1u];
  var inside = 0.0;
  var all = 0.0;
  var samples = 0u;
  for (var entry = begin; entry < end; entry++) {
    let factor = factors[entry];
    all += factor.y;
    if (factor.x / sizes.main < limit + half) {
      inside += factor.y;
      samples++;
    }
    if (factor.x == 0.0) { factors[entry].y = 0.0; }
  }
  // Where there are none the difference would be rounding noise, which Adam makes a step of.
  if (limit < half && sizes.rows > end - begin) {
    var whole = 0.0;
    for (var c = 0u; c < ${d}u; c++) { whole += outputGradient[c] * w[own * ${d}u + c]; }
    inside += whole - all;
    samples += sizes.rows - (end - begin);
  }
  gradient[latent] = -limit / sizes.bandwidth *
    (limit * inside + sizes.penalty * step.sparsity * f32(samples));
}`;
}
