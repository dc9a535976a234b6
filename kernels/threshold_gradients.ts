import { defineKernel, read, write } from "./define.ts";
import { step } from "./prelude.ts";

/**
 * Gradient of JumpReLU's loss with respect to log θ per latent, with the rectangle r(u) = 1 for |u| < ½,
 * u = (z − θ)/ε: −(θ/ε) · (θ · Σ r·g + p · Σ r), sums over the samples, g = ∂(reconstruction)/∂f, p =
 * `penalty` of the sizes times `sparsity` of the step.
 *
 * An entry with activation 0 is in the window below θ: it contributes here, and then its g is set to 0,
 * because it must not reach the encoder. If θ < ε/2, samples with z = 0 are in the window too. They have no
 * entries; their Σ g is that of all samples, outputGradient · wDec[i], minus that of the entries.
 *
 * `factors` are pairs {main · activation, g}, wDec is one shard, outputGradient [d] = main · Σ_r e[r]. One
 * lane per latent.
 */
export const thresholdGradients = ({ d }: { d: number }) =>
  defineKernel({
    label: "threshold gradients",
    sizes: {
      ...{ rows: "u32", firstLatent: "u32", latents: "u32" },
      ...{ main: "f32", bandwidth: "f32", penalty: "f32" },
    },
    bind: {
      theta: read("f32"),
      latentOffsets: read("u32"),
      factors: write("vec2f"),
      wDec: read("f32"),
      outputGradient: read("f32"),
      gradient: write("f32"),
      step,
    },
    workgroup: 64,
    body: `
  let own = thread;
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
    for (var c = 0u; c < ${d}u; c++) { whole += outputGradient[c] * wDec[own * ${d}u + c]; }
    inside += whole - all;
    samples += sizes.rows - (end - begin);
  }
  gradient[latent] = -limit / sizes.bandwidth *
    (limit * inside + sizes.penalty * step.sparsity * f32(samples));`,
  });
