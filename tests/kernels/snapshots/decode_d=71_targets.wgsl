struct Sizes { rows: u32, firstRow: u32, firstLatent: u32, latents: u32, sourceRow: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> offsets: array<u32>;
@group(0) @binding(2) var<storage, read> latents: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read> wDec: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read> targets: array<f32>;

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
  let at = (sizes.firstRow + row) * 71u + lane;
  let source = row * 71u + lane;
  var s0 = f32(0.0);
  var s64 = f32(0.0);
  let end = offsets[sizes.firstRow + row + 1u];
  for (var entry = offsets[sizes.firstRow + row]; entry < end; entry++) {
    let latent = latents[entry] - sizes.firstLatent;
    if (latent >= sizes.latents) { continue; }
    let value = values[entry];
    let begin = latent * 71u + lane;
    s0 += value * wDec[begin + 0u];
    if (lane + 64u < 71u) { s64 += value * wDec[begin + 64u]; }
  }
  out[at + 0u] = targets[source + 0u] - s0;
  if (lane + 64u < 71u) { out[at + 64u] = targets[source + 64u] - s64; }
}
