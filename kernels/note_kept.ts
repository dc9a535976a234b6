import { defineKernel, read, write } from "./define.ts";
import { step } from "./prelude.ts";

/**
 * Records which latents are active in this step, from the first offsets[rows] entries, and in stats[1] the
 * complement of the bits of the smallest value (0 if there is none). A few workgroups process them.
 */
export const noteKept = () =>
  defineKernel({
    label: "note kept",
    sizes: { rows: "u32", capacity: "u32" },
    bind: {
      step,
      offsets: read("u32"),
      latents: read("u32"),
      values: read("u32"),
      lastActive: write("atomic<u32>"),
      stats: write("atomic<u32>"),
    },
    workgroup: 64,
    body: `
  let count = min(offsets[sizes.rows], sizes.capacity);
  var largest = 0u;
  for (var entry = thread; entry < count; entry += groups * 64u) {
    largest = max(largest, ~values[entry]);
    atomicStore(&lastActive[latents[entry]], step.step);
  }
  if (largest != 0u) { atomicMax(&stats[1], largest); }`,
  });
