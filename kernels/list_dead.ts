/**
 * Lists dead latents: those inactive in each of the last `deadAfter` batches, this one included. Where
 * there are any, `dispatch` becomes {x, y, 1}, the workgroups that look at them, else nothing is started.
 * Each lane owns a run of latents, so that the list ascends.
 *
 * Bindings: sizes {latents, deadAfter, x, y}, step {step}, lastActive, stats (element 2 is the count),
 * dispatch [3], dead [1 + latents] {count, latents…}. One workgroup.
 */
export function listDead(): string {
  return `
struct Sizes { latents: u32, deadAfter: u32, x: u32, y: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> lastActive: array<u32>;
@group(0) @binding(3) var<storage, read_write> stats: array<u32>;
@group(0) @binding(4) var<storage, read_write> dispatch: array<u32>;
@group(0) @binding(5) var<storage, read_write> dead: array<u32>;
var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  let each = (sizes.latents + 255u) / 256u;
  let begin = min(lane * each, sizes.latents);
  let stop = min(begin + each, sizes.latents);
  var own = 0u;
  for (var latent = begin; latent < stop; latent++) {
    if (step.step - lastActive[latent] >= sizes.deadAfter) { own++; }
  }
  sums[lane] = own;
  workgroupBarrier();
  var at = 1u;
  for (var i = 0u; i < lane; i++) { at += sums[i]; }
  if (lane == 255u) {
    let count = at - 1u + own;
    stats[2] = count;
    dead[0] = count;
    dispatch[0] = select(0u, sizes.x, count > 0u);
    dispatch[1] = select(0u, sizes.y, count > 0u);
    dispatch[2] = 1u;
  }
  if (own == 0u) { return; }
  for (var latent = begin; latent < stop; latent++) {
    if (step.step - lastActive[latent] >= sizes.deadAfter) { dead[at] = latent; at++; }
  }
}`;
}
