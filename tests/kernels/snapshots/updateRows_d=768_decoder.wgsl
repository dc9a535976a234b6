struct Sizes { latents: u32, firstLatent: u32, half: u32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4f>;
@group(0) @binding(5) var<storage, read> source: array<vec4f>;
@group(0) @binding(6) var<storage, read> latentOffsets: array<u32>;
@group(0) @binding(7) var<storage, read> rows: array<u32>;
@group(0) @binding(8) var<storage, read> factors: array<vec2f>;
@group(0) @binding(9) var<storage, read> frozen: array<u32>;
var<workgroup> totalSums: array<vec2f, 64>;

fn total(lane: u32, own: vec2f) -> vec2f {
  workgroupBarrier();
  totalSums[lane] = own;
  for (var half = 32u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { totalSums[lane] += totalSums[lane + half]; }
  }
  workgroupBarrier();
  return totalSums[0];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 64u + lane;
  let latent = group;
  if (latent >= sizes.latents || frozen[0] != 0u) { return; }
  let at = latent * 192u + lane;
  var g0 = vec4f(0.0);
  var g64 = vec4f(0.0);
  var g128 = vec4f(0.0);
  let end = latentOffsets[sizes.firstLatent + latent + 1u];
  for (var entry = latentOffsets[sizes.firstLatent + latent]; entry < end; entry++) {
    let sample = rows[entry];
    let factor = factors[entry].x;
    let begin = sample * 192u + lane;
    g0 += factor * source[begin + 0u];
    g64 += factor * source[begin + 64u];
    g128 += factor * source[begin + 128u];
  }
  var w0 = vec4f(0.0);
  var w64 = vec4f(0.0);
  var w128 = vec4f(0.0);
  w0 = w[at + 0u];
  w64 = w[at + 64u];
  w128 = w[at + 128u];
  let along = total(lane, vec2f(dot(g0, w0), dot(w0, w0)) + vec2f(dot(g64, w64), dot(w64, w64)) + vec2f(dot(g128, w128), dot(w128, w128)));
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
  g0 -= parallel * w0;
  g64 -= parallel * w64;
  g128 -= parallel * w128;
  {
    let m = step.beta1 * first[at + 0u] + (1.0 - step.beta1) * g0;
    let v = step.beta2 * second[at + 0u] + (1.0 - step.beta2) * g0 * g0;
    first[at + 0u] = m;
    second[at + 0u] = v;
    w0 -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }
  {
    let m = step.beta1 * first[at + 64u] + (1.0 - step.beta1) * g64;
    let v = step.beta2 * second[at + 64u] + (1.0 - step.beta2) * g64 * g64;
    first[at + 64u] = m;
    second[at + 64u] = v;
    w64 -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }
  {
    let m = step.beta1 * first[at + 128u] + (1.0 - step.beta1) * g128;
    let v = step.beta2 * second[at + 128u] + (1.0 - step.beta2) * g128 * g128;
    first[at + 128u] = m;
    second[at + 128u] = v;
    w128 -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }
  let squares = total(lane, vec2f(dot(w0, w0) + dot(w64, w64) + dot(w128, w128), 0.0)).x;
  let scale = select(0.0, inverseSqrt(squares), squares > 0.0);
  w[at + 0u] = w0 * scale;
  w[at + 64u] = w64 * scale;
  w[at + 128u] = w128 * scale;
}
