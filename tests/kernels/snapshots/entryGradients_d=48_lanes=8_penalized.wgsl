struct Sizes { rows: u32, half: u32, firstLatent: u32, latents: u32, main: f32, auxiliary: f32, sparsity: f32 }
struct Step { step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> residual: array<vec4f>;
@group(0) @binding(4) var<storage, read> wDec: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> deltas: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;
var<workgroup> sums: array<f32, 64>;

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
  let er = row * 12u;
  let scale = select(sizes.auxiliary, sizes.main, row < sizes.half);
  let end = offsets[row + 1u];
  for (var base = offsets[row]; base < end; base += 8u) {
    let entry = base + lane / 8u;
    let inside = entry < end;
    let latent = latents[min(entry, end - 1u)] - sizes.firstLatent;
    let mine = inside && latent < sizes.latents;
    var own = 0.0;
    if (mine) {
      let wr = latent * 12u;
      for (var c = lane % 8u; c < 12u; c += 8u) { own += dot(residual[er + c], wDec[wr + c]); }
    }
    sums[lane] = own;
    workgroupBarrier();
    if (mine && lane % 8u == 0u) {
      for (var i = 1u; i < 8u; i++) { own += sums[lane + i]; }
      deltas[entry] = scale * own + sizes.sparsity * step.sparsity;
    }
    workgroupBarrier();
  }
}
