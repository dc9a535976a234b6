struct Sizes { first: u32, length: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> counts: array<u32>;
@group(0) @binding(2) var<storage, read_write> offsets: array<u32>;
var<workgroup> laneCounts: array<u32, 256>;

fn sumBefore(lane: u32, own: u32) -> u32 {
  laneCounts[lane] = own;
  workgroupBarrier();
  var sum = 0u;
  for (var i = 0u; i < lane; i++) { sum += laneCounts[i]; }
  return sum;
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 256u + lane;
  let each = (sizes.length + 255u) / 256u;
  let begin = min(lane * each, sizes.length);
  let stop = min(begin + each, sizes.length);
  var own = 0u;
  for (var i = begin; i < stop; i++) { own += counts[sizes.first + i]; }
  var total = offsets[sizes.first] + sumBefore(lane, own);
  for (var i = begin; i < stop; i++) {
    total += counts[sizes.first + i];
    offsets[sizes.first + i + 1u] = total;
  }
}
