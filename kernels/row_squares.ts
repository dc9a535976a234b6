/**
 * Squared length of each row: squares[r] = Σ_c x[r, c]².
 *
 * Bindings: sizes {rows, cols}, x, squares. One workgroup a row.
 */
export function rowSquares(): string {
  return `
struct Sizes { rows: u32, cols: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;
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
    let value = x[row * sizes.cols + c];
    own += value * value;
  }
  sums[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) { own += sums[i]; }
    squares[row] = own;
  }
}`;
}
