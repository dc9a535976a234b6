/**
 * Counts dead latents: those inactive in each of the last `deadAfter` batches, this one included. Where
 * there are any, `dispatch` becomes {x, y, 1}, the workgroups that look for them, else nothing is started.
 *
 * Bindings: sizes {latents, deadAfter, x, y}, step {step}, lastActive, stats (element 2 is the count),
 * dispatch [3]. One workgroup.
 */
export function countDead(): string {
  return `
struct Sizes { latents: u32, deadAfter: u32, x: u32, y: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> lastActive: array<u32>;
@group(0) @binding(3) var<storage, read_write> stats: array<u32>;
@group(0) @binding(4) var<storage, read_write> dispatch: array<u32>;
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = 0u;
  for (var latent = lane; latent < sizes.latents; latent += 256u) {
    if (step.step - lastActive[latent] >= sizes.deadAfter) { own++; }
  }
  sums[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 256u; i++) { own += sums[i]; }
    stats[2] = own;
    dispatch[0] = select(0u, sizes.x, own > 0u);
    dispatch[1] = select(0u, sizes.y, own > 0u);
    dispatch[2] = 1u;
  }
}`;
}
