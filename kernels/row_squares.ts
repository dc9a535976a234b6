import { defineKernel, read, write } from "./define.ts";
import { sumOver } from "./prelude.ts";

/** Squared length of each row: squares[r] = Σ_c x[r, c]². One workgroup per row. */
export const rowSquares = () =>
  defineKernel({
    label: "row squares",
    sizes: { rows: "u32", cols: "u32" },
    bind: { x: read("f32"), squares: write("f32") },
    workgroup: 64,
    globals: [sumOver(64)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  var own = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let value = x[row * sizes.cols + c];
    own += value * value;
  }
  let all = total(lane, own);
  if (lane == 0u) { squares[row] = all; }`,
  });
