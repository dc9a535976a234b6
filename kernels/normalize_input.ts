/**
 * Normalises samples in place and notes how errors go back: x[r] = (x[r] − mean) / s, scale[r] = s.
 *
 * - "layer_norm": mean over the row, s = √(Σ (x − mean)² / (d − 1)) + 1e-5;
 * - "constant_norm_rescale": mean 0, s = ‖x[r]‖ / √d; a row of zeros stays as it is;
 * - "expected_average_only_in": mean 0, s = `unit` of the sizes.
 *
 * Notes the smallest index at which x is not finite, as the largest complement (bad[0] stays 0 where all
 * is well), and makes zeros of such a row, whose mean would make all of it so.
 *
 * Bindings: sizes {rows, cols, unit}, x [rows, cols], scale [rows], bad. One workgroup a row.
 */
export function normalizeInput(
  { kind }: { kind: "layer_norm" | "constant_norm_rescale" | "expected_average_only_in" },
): string {
  const layer = kind === "layer_norm";
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
  return `
struct Sizes { rows: u32, cols: u32, unit: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> bad: array<atomic<u32>>;
var<workgroup> sums: array<f32, 64>;
var<workgroup> worst: atomic<u32>;

fn total(lane: u32, own: f32) -> f32 {
  workgroupBarrier();
  sums[lane] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  return sums[0];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let begin = row * sizes.cols;
  var sum = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let value = x[begin + c];
    // A comparison with NaN may be optimised away: the exponent's bits tell.
    if ((bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u) { atomicMax(&worst, ~(begin + c)); }
    sum += value;
  }
  workgroupBarrier();
  let found = atomicLoad(&worst);
  let mean = ${layer ? "total(lane, sum) / f32(sizes.cols)" : "0.0"};${unit}
  if (lane == 0u) {
    scale[row] = select(unit, 1.0, found != 0u);
    if (found != 0u) { atomicMax(&bad[0], found); }
  }
  let empty = found != 0u || unit == 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    x[begin + c] = select((x[begin + c] - mean) / unit, 0.0, empty);
  }
}`;
}
