/**
 * Looks at the entries that a ragged selection wrote, row by row: notes which latents are active in
 * this step and the smallest activation (as the largest complement of its bits, so that zero means
 * none), and sums what the sparsity loss is made of.
 *
 * - Without `jump` (ReLU) every entry is active; penalties[r] = Σ of the row's activations.
 * - With `jump` (JumpReLU) an entry is active above its latent's θ; the others, which are there for
 *   θ's gradient, get the activation 0. penalties[r] = number of active entries (exact below 2^24).
 *
 * Bindings: sizes {rows}, step {step}, offsets, latents, values, lastActive, stats {…, smallest},
 * penalties [rows], and with `jump` theta [m]. One workgroup a row.
 */
export function noteActive({ jump }: { jump: boolean }): string {
  return `
struct Sizes { rows: u32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> latents: array<u32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> lastActive: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> stats: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> penalties: array<f32>;
${jump ? "@group(0) @binding(8) var<storage, read> theta: array<f32>;" : ""}
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) id: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = id.x + id.y * count.x;
  if (row >= sizes.rows) { return; }
  let end = offsets[row + 1u];
  var own = 0.0;
  var largest = 0u;
  for (var entry = offsets[row] + lane; entry < end; entry += 64u) {
    let latent = latents[entry];
    let value = values[entry];
    ${jump ? "if (!(value > theta[latent])) { values[entry] = 0.0; continue; }" : ""}
    own += ${jump ? "1.0" : "value"};
    largest = max(largest, ~bitcast<u32>(value));
    atomicStore(&lastActive[latent], step.step);
  }
  if (largest != 0u) { atomicMax(&stats[1], largest); }
  sums[lane] = own;
  workgroupBarrier();
  if (lane == 0u) {
    for (var i = 1u; i < 64u; i++) { own += sums[i]; }
    penalties[row] = own;
  }
}`;
}
