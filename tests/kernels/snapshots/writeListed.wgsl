struct Sizes { rows: u32, cols: u32, firstOut: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> placed: array<vec2u>;
@group(0) @binding(3) var<storage, read> limits: array<vec2u>;
@group(0) @binding(4) var<storage, read> offsets: array<u32>;
@group(0) @binding(5) var<storage, read_write> latents: array<u32>;
@group(0) @binding(6) var<storage, read_write> values: array<u32>;
var<workgroup> laneCounts: array<u32, 64>;

fn sumBefore(lane: u32, own: u32) -> u32 {
  laneCounts[lane] = own;
  workgroupBarrier();
  var sum = 0u;
  for (var i = 0u; i < lane; i++) { sum += laneCounts[i]; }
  return sum;
}
var<workgroup> above: array<atomic<u32>, 512>;
var<workgroup> equal: array<atomic<u32>, 512>;
var<workgroup> before: array<u32, 513>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 64u + lane;
  let row = group;
  if (row >= sizes.rows) { return; }
  let first = starts[row];
  let last = starts[row + 1u];
  if (first == last) { return; }
  let limit = limits[row];
  let start = offsets[sizes.firstOut + row];
  // Numbers above the limit and equal to it in the chunks before.
  var passed = vec2u();
  for (var base = 0u; base < sizes.cols; base += 16384u) {
    let used = (min(16384u, sizes.cols - base) + 31u) / 32u;
    for (var word = lane; word < used; word += 64u) {
      atomicStore(&above[word], 0u);
      atomicStore(&equal[word], 0u);
    }
    workgroupBarrier();
    for (var at = first + lane; at < last; at += 64u) {
      let latent = placed[at].x - base;
      if (latent >= 16384u) { continue; }
      let bit = 1u << (latent & 31u);
      if (placed[at].y > limit.x) { atomicOr(&above[latent / 32u], bit); }
      else if (placed[at].y == limit.x) { atomicOr(&equal[latent / 32u], bit); }
    }
    workgroupBarrier();
    // Each lane owns a run of words; both kinds' counts share a word, at most 16384 each.
    let each = (used + 63u) / 64u;
    let begin = min(lane * each, used);
    let stop = min(begin + each, used);
    var own = 0u;
    for (var word = begin; word < stop; word++) {
      own += countOneBits(atomicLoad(&above[word])) |
        (countOneBits(atomicLoad(&equal[word])) << 16u);
    }
    var sum = sumBefore(lane, own);
    for (var word = begin; word < stop; word++) {
      before[word] = sum;
      sum += countOneBits(atomicLoad(&above[word])) |
        (countOneBits(atomicLoad(&equal[word])) << 16u);
    }
    if (lane == 63u) { before[512] = sum; }
    workgroupBarrier();
    for (var at = first + lane; at < last; at += 64u) {
      let entry = placed[at];
      let latent = entry.x - base;
      if (latent >= 16384u) { continue; }
      let word = latent / 32u;
      let below = (1u << (latent & 31u)) - 1u;
      let rank = passed + vec2u(before[word] & 0xffffu, before[word] >> 16u) + vec2u(
        countOneBits(atomicLoad(&above[word]) & below),
        countOneBits(atomicLoad(&equal[word]) & below),
      );
      if (entry.y < limit.x || (entry.y == limit.x && rank.y >= limit.y)) { continue; }
      let out = start + rank.x + min(rank.y, limit.y);
      if (out < sizes.capacity) {
        latents[out] = entry.x;
        values[out] = entry.y;
      }
    }
    let all = before[512];
    passed += vec2u(all & 0xffffu, all >> 16u);
    workgroupBarrier();
  }
}
