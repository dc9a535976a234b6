/**
 * Writes what a step did into its slot of the records, eleven words: {loss, auxiliary loss, active
 * entries, bits of the smallest one (0: none), dead latents, index of the first number of the batch
 * that is not finite plus 1 (0: none), frozen, step, sparsity loss, mean threshold, gradient norm}; the
 * last is written by who finds it out. A loss, threshold or
 * batch that is not finite freezes the run: the weights stay as they were.
 *
 * `sparsity`: "l1" sums penalties, the activations of each row; "l0" too, there they are numbers of
 * active entries, which `offsets` does not tell.
 *
 * Bindings: sizes {rows, hasAuxiliary, slots, latents, lossScale, auxiliaryScale, sparsityScale}, step
 * {step, …, sparsity}, squares [rows, or 2 rows with the auxiliary loss], offsets (for "l0" theta [latents] in their
 * place), stats {complement of the first bad index, complement of the smallest bits, dead latents},
 * records [slots, 11], frozen [1], and but for "none" penalties [rows]. One workgroup.
 */
export function recordStep({ sparsity }: { sparsity: "none" | "l1" | "l0" }): string {
  const jump = sparsity === "l0";
  return `
struct Sizes {
  rows: u32, hasAuxiliary: u32, slots: u32, latents: u32,
  lossScale: f32, auxiliaryScale: f32, sparsityScale: f32,
}
struct Step {
  step: u32, rate: f32, correction: f32, beta1: f32, beta2: f32, epsilon: f32, sparsity: f32,
}
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> ${jump ? "theta: array<f32>" : "offsets: array<u32>"};
@group(0) @binding(4) var<storage, read> stats: array<u32>;
@group(0) @binding(5) var<storage, read_write> records: array<u32>;
@group(0) @binding(6) var<storage, read_write> frozen: array<u32>;
${sparsity === "none" ? "" : "@group(0) @binding(7) var<storage, read> penalties: array<f32>;"}
var<workgroup> sums: array<vec4f, 256>;
${jump ? "var<workgroup> counts: array<u32, 256>;" : ""}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec4f();
  ${jump ? "var found = 0u;" : ""}
  for (var row = lane; row < sizes.rows; row += 256u) {
    own.x += squares[row];
    if (sizes.hasAuxiliary != 0u && stats[2] != 0u) { own.y += squares[sizes.rows + row]; }
    ${sparsity === "none" ? "" : "own.z += penalties[row];"}
    ${jump ? "found += u32(penalties[row]);" : ""}
  }
${
    jump
      ? `  for (var i = lane; i < sizes.latents; i += 256u) { own.w += theta[i]; }
  counts[lane] = found;`
      : ""
  }
  sums[lane] = own;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      sums[lane] += sums[lane + half];
      ${jump ? "counts[lane] += counts[lane + half];" : ""}
    }
  }
  workgroupBarrier();
  if (lane != 0u) { return; }
  let loss = sums[0].x * sizes.lossScale;
  let auxiliary = sums[0].y * sizes.auxiliaryScale;
  let sparsity = sums[0].z * sizes.sparsityScale * step.sparsity;
  let meanThreshold = sums[0].w / f32(sizes.latents);
  let bad = stats[0] != 0u ||
    (bitcast<u32>(loss) & 0x7f800000u) == 0x7f800000u ||
    (bitcast<u32>(auxiliary) & 0x7f800000u) == 0x7f800000u ||
    (bitcast<u32>(sparsity) & 0x7f800000u) == 0x7f800000u ||
    (bitcast<u32>(meanThreshold) & 0x7f800000u) == 0x7f800000u;
  if (bad) { frozen[0] = 1u; }
  let at = (step.step - 1u) % sizes.slots * 11u;
  records[at] = bitcast<u32>(loss);
  records[at + 1u] = bitcast<u32>(auxiliary);
  records[at + 2u] = ${jump ? "counts[0]" : "offsets[sizes.rows]"};
  records[at + 3u] = select(0u, ~stats[1], stats[1] != 0u);
  records[at + 4u] = stats[2];
  records[at + 5u] = select(0u, ~stats[0] + 1u, stats[0] != 0u);
  records[at + 6u] = frozen[0];
  records[at + 7u] = step.step;
  records[at + 8u] = bitcast<u32>(sparsity);
  records[at + 9u] = bitcast<u32>(meanThreshold);
}`;
}
