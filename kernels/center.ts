import { defineKernel, read, write } from "./define.ts";
import { NOT_FINITE } from "./prelude.ts";

/**
 * Subtracts the decoder bias from a batch: centered[r, c] = x[r, c] − bDec[c]. Records the complement of
 * the smallest index at which x is not finite in bad[0], which is 0 if all are finite.
 */
export const center = () =>
  defineKernel({
    label: "center",
    sizes: { numbers: "u32", d: "u32" },
    bind: {
      x: read("f32"),
      bDec: read("f32"),
      centered: write("f32"),
      bad: write("atomic<u32>"),
    },
    workgroup: 256,
    globals: [NOT_FINITE],
    body: `
  let at = thread;
  if (at >= sizes.numbers) { return; }
  let value = x[at];
  if (notFinite(value)) { atomicMax(&bad[0], ~at); }
  centered[at] = value - bDec[at % sizes.d];`,
  });
