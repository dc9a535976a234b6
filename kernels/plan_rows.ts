/**
 * Shares out the numbers equal to the batch's threshold: the first `state[1]` of them in (row,
 * latent) order stay. On return ties[r] is how many of its own row r keeps, and kept[r] counts them.
 *
 * Bindings: sizes {rows}, state {threshold, ties to keep}, kept [rows], ties [rows]. One workgroup.
 */
export function planRows(): string {
  return `
struct Sizes { rows: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> state: array<u32>;
@group(0) @binding(2) var<storage, read_write> kept: array<u32>;
@group(0) @binding(3) var<storage, read_write> ties: array<u32>;
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let each = (sizes.rows + 255u) / 256u;
  let begin = min(lane * each, sizes.rows);
  let stop = min(begin + each, sizes.rows);
  var own = 0u;
  for (var row = begin; row < stop; row++) { own += ties[row]; }
  sums[lane] = own;
  workgroupBarrier();
  var before = 0u;
  for (var i = 0u; i < lane; i++) { before += sums[i]; }
  for (var row = begin; row < stop; row++) {
    let here = ties[row];
    let quota = min(here, max(state[1], before) - before);
    before += here;
    ties[row] = quota;
    kept[row] += quota;
  }
}`;
}
