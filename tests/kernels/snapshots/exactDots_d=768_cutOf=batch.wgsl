struct Sizes { first: u32, latents: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> pairs: array<vec2u>;
@group(0) @binding(5) var<storage, read> state: array<u32>;
@group(0) @binding(6) var<storage, read> cuts: array<f32>;
@group(0) @binding(7) var<storage, read_write> values: array<u32>;
fn exactDot(row: u32, own: u32) -> f32 {
  var sum = vec4f();
  for (var c = 0u; c < 192u; c++) {
    sum = fma(x[row * 192u + c], w[own * 192u + c], sum);
  }
  return (sum.x + sum.y) + (sum.z + sum.w);
}

fn activation(row: u32, own: u32) -> u32 {
  let value = exactDot(row, own) + bias[sizes.first + own];
  return select(0u, bitcast<u32>(value), value > 0.0);
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
  let count = min(state[0], sizes.capacity);
  for (var slot = thread; slot < sizes.capacity; slot += groups * 64u) {
    if (slot >= count) {
      values[slot] = 0u;
      continue;
    }
    let pair = pairs[slot];
    let own = pair.y - sizes.first;
    if (own >= sizes.latents) { continue; }
    let bits = activation(pair.x, own);
    values[slot] = select(0u, bits, bitcast<f32>(bits) >= cuts[0]);
  }
}
