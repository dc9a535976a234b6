/**
 * Multiplies gradients by one number: x[i] *= factor[0]. There are `numbers` of them; with `entries` it
 * is a pair for each entry of the sparse columns, as many as the last of the latents' offsets says, and
 * `numbers` is the index of that offset.
 *
 * Bindings: sizes {numbers}, factor [1], x, and with `entries` latentOffsets. Any number of workgroups.
 */
export function scaleGradients({ entries }: { entries: boolean }): string {
  return `
struct Sizes { numbers: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> factor: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
${entries ? "@group(0) @binding(3) var<storage, read> latentOffsets: array<u32>;" : ""}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let numbers = ${entries ? "2u * latentOffsets[sizes.numbers]" : "sizes.numbers"};
  let stride = count.x * count.y * 64u;
  for (var i = (id.x + id.y * count.x) * 64u + lane; i < numbers; i += stride) {
    x[i] *= factor[0];
  }
}`;
}
