/**
 * Divides each sample's loss by its distance from the batch's mean: with s = 1 / ‖x[r] − mean‖₂ it
 * scales row r of the residual and squares[r] by s, so that both the loss e²·s and its gradient 2e·s
 * follow. A sample that is the mean itself has no scale and counts nothing: s = 0.
 *
 * Bindings: sizes {rows, cols}, x [rows, cols], mean [cols], residual [rows, cols], squares [rows]. One
 * workgroup a row.
 */
export function normalizeLoss(): string {
  return `
struct Sizes { rows: u32, cols: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> squares: array<f32>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  var own = 0.0;
  for (var c = lane; c < sizes.cols; c += 64u) {
    let deviation = x[row * sizes.cols + c] - mean[c];
    own += deviation * deviation;
  }
  sums[lane] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  let scale = select(0.0, inverseSqrt(sums[0]), sums[0] > 0.0);
  for (var c = lane; c < sizes.cols; c += 64u) { residual[row * sizes.cols + c] *= scale; }
  if (lane == 0u) { squares[row] *= scale; }
}`;
}
