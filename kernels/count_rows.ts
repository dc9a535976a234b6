/**
 * Counts what each row of z keeps: how many numbers are above the threshold and, in mode "batch",
 * how many are equal to it. Mode "batch" has one threshold, as bits of a float (the end of a radix
 * selection); mode "latent" one for each column, as floats, strict.
 *
 * Bindings: sizes {rows, cols, firstRow}, z [rows, cols], threshold, kept, and in mode "batch" ties;
 * row r of z writes element firstRow + r. One workgroup a row.
 */
export function countRows({ mode }: { mode: "batch" | "latent" }): string {
  const batch = mode === "batch";
  return `
struct Sizes { rows: u32, cols: u32, firstRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<u32>;
@group(0) @binding(2) var<storage, read> threshold: array<${batch ? "u32" : "f32"}>;
@group(0) @binding(3) var<storage, read_write> kept: array<u32>;
${batch ? "@group(0) @binding(4) var<storage, read_write> ties: array<u32>;" : ""}
var<workgroup> above: array<u32, 64>;
var<workgroup> equal: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  var ownAbove = 0u;
  var ownEqual = 0u;
  for (var latent = lane; latent < sizes.cols; latent += 64u) {
    let value = z[row * sizes.cols + latent];
${
    batch
      ? `    if (value > threshold[0]) { ownAbove++; }
    if (value == threshold[0]) { ownEqual++; }`
      : `    if (value != 0u && bitcast<f32>(value) > threshold[latent]) { ownAbove++; }`
  }
  }
  above[lane] = ownAbove;
  equal[lane] = ownEqual;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) { ownAbove += above[i]; ownEqual += equal[i]; }
    kept[sizes.firstRow + row] = ownAbove;
    ${batch ? "ties[sizes.firstRow + row] = ownEqual;" : ""}
  }
}`;
}
