/**
 * Running sums: offsets[first + i + 1] = offsets[first] + counts[first] + … + counts[first + i].
 *
 * Bindings: sizes {first, length}, counts, offsets. One workgroup.
 */
export function scan(): string {
  return `
struct Sizes { first: u32, length: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> offsets: array<u32>;
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let each = (sizes.length + 255u) / 256u;
  let begin = min(lane * each, sizes.length);
  let stop = min(begin + each, sizes.length);
  var own = 0u;
  for (var i = begin; i < stop; i++) { own += counts[sizes.first + i]; }
  sums[lane] = own;
  workgroupBarrier();
  var total = offsets[sizes.first];
  for (var i = 0u; i < lane; i++) { total += sums[i]; }
  for (var i = begin; i < stop; i++) {
    total += counts[sizes.first + i];
    offsets[sizes.first + i + 1u] = total;
  }
}`;
}
