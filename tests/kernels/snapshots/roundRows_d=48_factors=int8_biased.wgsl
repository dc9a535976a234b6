struct Sizes { rows: u32, first: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> facts: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> packed: array<vec4u>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> balance: array<f32>;
var<workgroup> totalSums: array<f32, 64>;

fn total(lane: u32, own: f32) -> f32 {
  workgroupBarrier();
  totalSums[lane] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { totalSums[lane] += totalSums[lane + half]; }
  }
  workgroupBarrier();
  return totalSums[0];
}
var<workgroup> peaks: array<f32, 64>;

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
  var squares = 0.0;
  var plain = 0.0;
  var peak = 0.0;
  for (var at = lane; at < 48u; at += 64u) {
    let own = source[row * 48u + at];
    let value = source[row * 48u + at] * balance[at];
    plain += own * own;
    squares += value * value;
    peak = max(peak, abs(value));
  }
  // Float32 may have lost what lies below its normal range, and a little of every sum.
  let up = 1.0 + 112 * 0x1p-22f;
  let plainNorm = sqrt(total(lane, plain) + 48 * 0x1p-125f) * up;
  var norm = sqrt(total(lane, squares) + 48 * 0x1p-125f) * up;
  if (!(max(norm, plainNorm) < 1e18)) { norm = 3e38; }
  peaks[lane] = peak;
  workgroupBarrier();
  for (var i = 0u; i < 64u; i++) { peak = max(peak, peaks[i]); }
  var scale = peak / 127.0;
  // A row so small that its steps leave the normal range is taken for zeros: its error is its norm.
  if (!(scale > 1e-30 && scale < 1e30)) { scale = 0.0; }
  let inverse = select(0.0, 1.0 / scale, scale > 0.0);
  var errors = 0.0;
  for (var i = lane; i < 3u; i += 64u) {
    var words = vec4u();
    for (var j = 0u; j < 16u; j++) {
      let at = 16u * i + j;
      if (at >= 48u) { break; }
      let value = source[row * 48u + at] * balance[at];
      let whole = clamp(round(value * inverse), -127.0, 127.0);
      let missed = value - whole * scale;
      errors += missed * missed;
      words[j / 4u] |= (u32(i32(whole)) & 0xffu) << (8u * (j % 4u));
    }
    packed[row * 3u + i] = words;
  }
  let error = sqrt(total(lane, errors) + 48 * 0x1p-125f) * up;
  if (lane == 0u) { facts[row] = vec4f(scale, error, norm, bias[sizes.first + row]); }
}
