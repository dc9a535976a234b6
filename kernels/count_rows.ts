/**
 * Counts what each row of z keeps: how many numbers are above the threshold and, in mode "batch",
 * how many are equal to it. Mode "batch" has one threshold, as bits of a float (the end of a radix
 * selection); mode "latent" one for each column, as floats, strict. `vector`: columns divide by four
 * and are read four at once.
 *
 * Bindings: sizes {rows, cols, firstRow}, z [rows, cols], threshold, kept, and in mode "batch" ties;
 * row r of z writes element firstRow + r. One workgroup a row.
 */
export function countRows(
  { mode, vector = false }: { mode: "batch" | "latent"; vector?: boolean },
): string {
  const batch = mode === "batch";
  const width = vector ? 4 : 1;
  const [numbers, floats] = vector ? ["vec4u", "vec4f"] : ["u32", "f32"];
  const count = (condition: string) => `select(${numbers}(), ${numbers}(1u), ${condition})`;
  const total = (name: string) => vector ? `dot(${name}, vec4u(1u))` : name;
  return `
struct Sizes { rows: u32, cols: u32, firstRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<${numbers}>;
@group(0) @binding(2) var<storage, read> threshold: array<${batch ? "u32" : floats}>;
@group(0) @binding(3) var<storage, read_write> kept: array<u32>;
${batch ? "@group(0) @binding(4) var<storage, read_write> ties: array<u32>;" : ""}
var<workgroup> sums: array<vec2u, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let each = sizes.cols / ${width}u;
  ${batch ? `let limit = ${numbers}(threshold[0]);` : ""}
  var above = ${numbers}();
  ${batch ? `var equal = ${numbers}();` : ""}
  for (var i = lane; i < each; i += 64u) {
    let value = z[row * each + i];
${
    batch
      ? `    above += ${count("value > limit")};
    equal += ${count("value == limit")};`
      : `    above += ${
        count(`(value != ${numbers}()) & (bitcast<${floats}>(value) > threshold[i])`)
      };`
  }
  }
  sums[lane] = vec2u(${total("above")}, ${batch ? total("equal") : "0u"});
  workgroupBarrier();
  if (lane == 0u) {
    var all = vec2u();
    for (var i = 0u; i < 64u; i++) { all += sums[i]; }
    kept[sizes.firstRow + row] = all.x;
    ${batch ? "ties[sizes.firstRow + row] = all.y;" : ""}
  }
}`;
}
