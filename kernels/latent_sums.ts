import { defineKernel, read, write } from "./define.ts";

/**
 * Gradient of the encoder bias: sums[i] = Σ of the deltas of latent i (the second numbers of `factors`), in
 * order of row. One lane per latent.
 */
export const latentSums = () =>
  defineKernel({
    label: "latent sums",
    sizes: { latents: "u32" },
    bind: { latentOffsets: read("u32"), factors: read("vec2f"), sums: write("f32") },
    workgroup: 64,
    body: `
  let latent = thread;
  if (latent >= sizes.latents) { return; }
  var sum = 0.0;
  let end = latentOffsets[latent + 1u];
  for (var entry = latentOffsets[latent]; entry < end; entry++) { sum += factors[entry].y; }
  sums[latent] = sum;`,
  });
