import { defineKernel, read, write } from "./define.ts";
import { sumOver } from "./prelude.ts";

/**
 * Divides each sample's loss by its distance from the batch's mean: scales row r of the residual and
 * squares[r] by s = 1 / ‖x[r] − mean‖₂, which gives the loss e²·s and its gradient 2e·s. For a sample equal
 * to the mean s = 0. One workgroup per row.
 */
export const normalizeLoss = () =>
  defineKernel({
    label: "normalize loss",
    sizes: { rows: "u32", cols: "u32" },
    bind: {
      x: read("f32"),
      mean: read("f32"),
      residual: write("f32"),
      squares: write("f32"),
    },
    workgroup: 64,
    globals: [sumOver(64)],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  var own = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let deviation = x[row * sizes.cols + c] - mean[c];
    own += deviation * deviation;
  }
  let distance = total(lane, own);
  let scale = select(0.0, inverseSqrt(distance), distance > 0.0);
  for (var c = lane; c < sizes.cols; c += 64u) { residual[row * sizes.cols + c] *= scale; }
  if (lane == 0u) { squares[row] *= scale; }`,
  });
