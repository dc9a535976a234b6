import { defineKernel, read, write } from "./define.ts";

/** Errors of normalized samples in raw units: x[r, c] = (scale[r] − ε) · x[r, c] + ε · input[r, c]. */
export const scaleRows = () =>
  defineKernel({
    label: "scale rows",
    sizes: { numbers: "u32", cols: "u32", epsilon: "f32" },
    bind: { scale: read("f32"), input: read("f32"), x: write("f32") },
    workgroup: 256,
    body: `
  if (thread < sizes.numbers) {
    let size = scale[thread / sizes.cols] - sizes.epsilon;
    x[thread] = size * x[thread] + sizes.epsilon * input[thread];
  }`,
  });
