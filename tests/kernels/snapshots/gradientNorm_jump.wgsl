struct Sizes { latents: u32, dModel: u32, slots: u32, limit: f32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> bEnc: array<f32>;
@group(0) @binding(4) var<storage, read> bDec: array<f32>;
@group(0) @binding(5) var<storage, read_write> factor: array<f32>;
@group(0) @binding(6) var<storage, read_write> records: array<u32>;
@group(0) @binding(7) var<storage, read_write> frozen: array<u32>;
@group(0) @binding(8) var<storage, read> logTheta: array<f32>;
var<workgroup> totalSums: array<f32, 256>;

fn total(lane: u32, own: f32) -> f32 {
  workgroupBarrier();
  totalSums[lane] = own;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { totalSums[lane] += totalSums[lane + half]; }
  }
  workgroupBarrier();
  return totalSums[0];
}
fn notFinite(value: f32) -> bool {
  return (bitcast<u32>(value) & 0x7f800000u) == 0x7f800000u;
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
  var own = 0.0;
  for (var i = lane; i < sizes.latents; i += 256u) {
    own += squares[i] + bEnc[i] * bEnc[i] + logTheta[i] * logTheta[i];
  }
  for (var c = lane; c < sizes.dModel; c += 256u) { own += bDec[c] * bDec[c]; }
  let norm = sqrt(total(lane, own));
  if (lane != 0u) { return; }
  factor[0] = min(1.0, sizes.limit / (norm + 1e-6));
  let record = (step.step - 1u) % sizes.slots * 12u;
  records[record + 10u] = bitcast<u32>(norm);
  if (notFinite(norm)) {
    frozen[0] = 1u;
    records[record + 6u] = 1u;
  }
}
