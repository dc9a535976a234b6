import { defineKernel, read, write } from "./define.ts";

/**
 * Thresholds of JumpReLU from their logarithms: theta[i] = exp(logTheta[i]), and reach[i] = theta[i] −
 * half, above which a pre-activation is active or contributes to θ's gradient (half: half the bandwidth).
 * One lane per latent.
 */
export const jumpThresholds = () =>
  defineKernel({
    label: "thresholds",
    sizes: { latents: "u32", half: "f32" },
    bind: { logTheta: read("f32"), theta: write("f32"), reach: write("f32") },
    workgroup: 64,
    body: `
  let latent = thread;
  if (latent >= sizes.latents) { return; }
  let own = exp(logTheta[latent]);
  theta[latent] = own;
  reach[latent] = own - sizes.half;`,
  });
