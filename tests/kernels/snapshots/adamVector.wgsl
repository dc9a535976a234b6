struct Sizes { numbers: u32, rateFactor: f32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> value: array<f32>;
@group(0) @binding(4) var<storage, read_write> first: array<f32>;
@group(0) @binding(5) var<storage, read_write> second: array<f32>;
@group(0) @binding(6) var<storage, read> frozen: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 64u + lane;
  let i = thread;
  if (i >= sizes.numbers || frozen[0] != 0u) { return; }
  let g = gradient[i];
  let m = step.beta1 * first[i] + (1.0 - step.beta1) * g;
  let v = step.beta2 * second[i] + (1.0 - step.beta2) * g * g;
  first[i] = m;
  second[i] = v;
  value[i] -= sizes.rateFactor * step.rate * m / (sqrt(v) * step.correction + step.epsilon);
}
