/**
 * Sums of columns over blocks of rows: out[firstBlock + b, c] = scale · Σ_{r in block b} weight[r] ·
 * x[r, c]. Without `weighted` every weight is 1. One lane a column, in order of row.
 *
 * Bindings: sizes {rows, cols, rowsPerBlock, firstBlock, firstWeight, scale}, x [rows, cols], out, and
 * for weighted sums weight (row r has element firstWeight + r).
 */
export function columnSums({ weighted }: { weighted: boolean }): string {
  return `
struct Sizes {
  rows: u32, cols: u32, rowsPerBlock: u32, firstBlock: u32, firstWeight: u32, scale: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
${weighted ? "@group(0) @binding(3) var<storage, read> weight: array<f32>;" : ""}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let group = id.x + id.y * count.x;
  let across = (sizes.cols + 63u) / 64u;
  let block = group / across;
  let column = group % across * 64u + lane;
  let begin = block * sizes.rowsPerBlock;
  if (column >= sizes.cols || begin >= sizes.rows) { return; }
  let stop = min(begin + sizes.rowsPerBlock, sizes.rows);
  var sum = 0.0;
  for (var row = begin; row < stop; row++) {
    sum += ${weighted ? "weight[sizes.firstWeight + row] * " : ""}x[row * sizes.cols + column];
  }
  out[(sizes.firstBlock + block) * sizes.cols + column] = sizes.scale * sum;
}`;
}
