/**
 * The largest of each row's numbers, and the index that stands beside it; of equal numbers the one with
 * the lowest index.
 *
 * Bindings: sizes {rows, slots, firstOut}, values and indices [rows, slots], maxima, which; row r writes
 * element firstOut + r. One workgroup a row.
 */
export function mergeMaxima(): string {
  return `
struct Sizes { rows: u32, slots: u32, firstOut: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> maxima: array<f32>;
@group(0) @binding(4) var<storage, read_write> which: array<u32>;
var<workgroup> laneBest: array<f32, 64>;
var<workgroup> laneIndex: array<u32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  var best = -2.0;
  var index = 0xffffffffu;
  for (var slot = lane; slot < sizes.slots; slot += 64u) {
    let value = values[row * sizes.slots + slot];
    let other = indices[row * sizes.slots + slot];
    if (value > best || (value == best && other < index)) {
      best = value;
      index = other;
    }
  }
  laneBest[lane] = best;
  laneIndex[lane] = index;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) {
      if (laneBest[i] > best || (laneBest[i] == best && laneIndex[i] < index)) {
        best = laneBest[i];
        index = laneIndex[i];
      }
    }
    maxima[sizes.firstOut + row] = best;
    which[sizes.firstOut + row] = index;
  }
}`;
}
