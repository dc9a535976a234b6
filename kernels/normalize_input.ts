import { defineKernel, write } from "./define.ts";
import { NOT_FINITE, sumOver } from "./prelude.ts";

/**
 * Normalizes samples x [rows, cols] in place and stores the scale of each: x[r] = (x[r] − mean) / s,
 * scale[r] = s. One workgroup per row.
 *
 * - "layer_norm": mean over the row, s = √(Σ (x − mean)² / (d − 1)) + 1e-5;
 * - "constant_norm_rescale": mean 0, s = ‖x[r]‖ / √d; a row of zeros stays as it is;
 * - "expected_average_only_in": mean 0, s = `unit` of the sizes.
 *
 * Records the complement of the smallest index at which x is not finite in bad[0] (0 if all are finite), and
 * sets such a row to zeros, because its mean would make the whole row not finite.
 */
export function normalizeInput(
  { kind }: { kind: "layer_norm" | "constant_norm_rescale" | "expected_average_only_in" },
) {
  const squares = `
  var squares = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let value = x[begin + c] - mean;
    squares += value * value;
  }
  squares = total(lane, squares);`;
  const unit = {
    layer_norm: `${squares}
  let unit = sqrt(squares / f32(max(sizes.cols, 2u) - 1u)) + 1e-5;`,
    constant_norm_rescale: `${squares}
  let unit = sqrt(squares / f32(sizes.cols));`,
    expected_average_only_in: `
  let unit = sizes.unit;`,
  }[kind];
  return defineKernel({
    label: `normalize input, ${kind}`,
    sizes: { rows: "u32", cols: "u32", unit: "f32" },
    bind: { x: write("f32"), scale: write("f32"), bad: write("atomic<u32>") },
    workgroup: 64,
    globals: [sumOver(64), NOT_FINITE, "var<workgroup> worst: atomic<u32>;"],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let begin = row * sizes.cols;
  var sum = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let value = x[begin + c];
    if (notFinite(value)) { atomicMax(&worst, ~(begin + c)); }
    sum += value;
  }
  workgroupBarrier();
  let found = atomicLoad(&worst);
  let mean = ${kind === "layer_norm" ? "total(lane, sum) / f32(sizes.cols)" : "0.0"};${unit}
  if (lane == 0u) {
    scale[row] = select(unit, 1.0, found != 0u);
    if (found != 0u) { atomicMax(&bad[0], found); }
  }
  let empty = found != 0u || unit == 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    x[begin + c] = select((x[begin + c] - mean) / unit, 0.0, empty);
  }`,
  });
}
