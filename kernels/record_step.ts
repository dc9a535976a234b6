/**
 * Writes what a step did into its slot of the records, eight words: {loss, auxiliary loss, entries
 * kept, bits of the smallest one kept (0: none), dead latents, index of the first number of the batch
 * that is not finite plus 1 (0: none), frozen, step}. A loss or batch that is not finite freezes the run: the
 * weights stay as they were.
 *
 * Bindings: sizes {rows, hasAuxiliary, slots, lossScale, auxiliaryScale}, step {step}, squares [rows, or 2 rows
 * with the auxiliary loss], offsets, stats {complement of the first bad index, complement of the smallest
 * bits, dead latents}, records [slots, 8], frozen [1]. One workgroup.
 */
export function recordStep(): string {
  return `
struct Sizes { rows: u32, hasAuxiliary: u32, slots: u32, lossScale: f32, auxiliaryScale: f32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read> stats: array<u32>;
@group(0) @binding(5) var<storage, read_write> records: array<u32>;
@group(0) @binding(6) var<storage, read_write> frozen: array<u32>;
var<workgroup> sums: array<vec2f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec2f();
  for (var row = lane; row < sizes.rows; row += 256u) {
    own.x += squares[row];
    if (sizes.hasAuxiliary != 0u && stats[2] != 0u) { own.y += squares[sizes.rows + row]; }
  }
  sums[lane] = own;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  if (lane != 0u) { return; }
  let loss = sums[0].x * sizes.lossScale;
  let auxiliary = sums[0].y * sizes.auxiliaryScale;
  let bad = stats[0] != 0u ||
    (bitcast<u32>(loss) & 0x7f800000u) == 0x7f800000u ||
    (bitcast<u32>(auxiliary) & 0x7f800000u) == 0x7f800000u;
  if (bad) { frozen[0] = 1u; }
  let at = (step.step - 1u) % sizes.slots * 8u;
  records[at] = bitcast<u32>(loss);
  records[at + 1u] = bitcast<u32>(auxiliary);
  records[at + 2u] = offsets[sizes.rows];
  records[at + 3u] = select(0u, ~stats[1], stats[1] != 0u);
  records[at + 4u] = stats[2];
  records[at + 5u] = select(0u, ~stats[0] + 1u, stats[0] != 0u);
  records[at + 6u] = frozen[0];
  records[at + 7u] = step.step;
}`;
}
