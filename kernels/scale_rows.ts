import { defineKernel, read, write } from "./define.ts";

/** Scales rows of x [rows, cols] in place: x[r, c] *= scale[r]. */
export const scaleRows = () =>
  defineKernel({
    label: "scale rows",
    sizes: { numbers: "u32", cols: "u32" },
    bind: { scale: read("f32"), x: write("f32") },
    workgroup: 256,
    body: `
  if (thread < sizes.numbers) { x[thread] *= scale[thread / sizes.cols]; }`,
  });
