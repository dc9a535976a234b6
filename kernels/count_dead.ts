/**
 * Counts dead latents: those inactive in each of the last `deadAfter` batches, this one included.
 *
 * Bindings: sizes {latents, deadAfter}, step {step}, lastActive, stats (element 2 is the count). One workgroup.
 */
export function countDead(): string {
  return `
struct Sizes { latents: u32, deadAfter: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> lastActive: array<u32>;
@group(0) @binding(3) var<storage, read_write> stats: array<u32>;
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
  }
}`;
}
