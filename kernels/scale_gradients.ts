import { defineKernel, read, when, write } from "./define.ts";

/**
 * Multiplies gradients by one number: x[i] *= factor[0] for `numbers` numbers. With `entries` x has a pair
 * per entry of the sparse columns; their number is the last of the latents' offsets, whose index is
 * `numbers`. Any number of workgroups.
 */
export const scaleGradients = <Entries extends boolean>({ entries }: { entries: Entries }) =>
  defineKernel({
    label: "scale gradients",
    sizes: { numbers: "u32" },
    bind: {
      factor: read("f32"),
      x: write("f32"),
      latentOffsets: when(entries, read("u32")),
    },
    workgroup: 64,
    body: `
  let numbers = ${entries ? "2u * latentOffsets[sizes.numbers]" : "sizes.numbers"};
  for (var i = thread; i < numbers; i += groups * 64u) { x[i] *= factor[0]; }`,
  });
