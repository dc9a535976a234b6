/**
 * Norm of all gradients, and what they are multiplied by so that it stays within a limit:
 * norm = √(Σ squares + Σ bEnc² + Σ bDec² [+ Σ logTheta²]), factor[0] = min(1, limit / (norm + 1e-6)). The
 * norm goes into the step's record. One that is not finite freezes the run.
 *
 * Bindings: sizes {latents, dModel, slots, limit}, step {step}, squares [m] of the latents' gradients,
 * bEnc [m], bDec [d], factor [1], records [slots, 11], frozen [1], and with `jump` logTheta [m]. One
 * workgroup.
 */
export function gradientNorm({ jump }: { jump: boolean }): string {
  return `
struct Sizes { latents: u32, dModel: u32, slots: u32, limit: f32 }
struct Step { step: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read> bEnc: array<f32>;
@group(0) @binding(4) var<storage, read> bDec: array<f32>;
@group(0) @binding(5) var<storage, read_write> factor: array<f32>;
@group(0) @binding(6) var<storage, read_write> records: array<u32>;
@group(0) @binding(7) var<storage, read_write> frozen: array<u32>;
${jump ? "@group(0) @binding(8) var<storage, read> logTheta: array<f32>;" : ""}
var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = 0.0;
  for (var i = lane; i < sizes.latents; i += 256u) {
    own += squares[i] + bEnc[i] * bEnc[i]${jump ? " + logTheta[i] * logTheta[i]" : ""};
  }
  for (var c = lane; c < sizes.dModel; c += 256u) { own += bDec[c] * bDec[c]; }
  sums[lane] = own;
  for (var half = 128u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { sums[lane] += sums[lane + half]; }
  }
  workgroupBarrier();
  if (lane != 0u) { return; }
  let norm = sqrt(sums[0]);
  factor[0] = min(1.0, sizes.limit / (norm + 1e-6));
  let at = (step.step - 1u) % sizes.slots * 11u;
  records[at + 10u] = bitcast<u32>(norm);
  if ((bitcast<u32>(norm) & 0x7f800000u) == 0x7f800000u) {
    frozen[0] = 1u;
    records[at + 6u] = 1u;
  }
}`;
}
