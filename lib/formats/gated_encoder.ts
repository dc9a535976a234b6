import type { Sae } from "../sae/sae.ts";

/** Parameters of a gated SAE besides encoder and decoder, each [m]. */
export interface Gate {
  /** Bias of the gate, b_gate: latent i is active where wᵢ·x + b_gate > 0. */
  bias: Float32Array;
  /** Bias of the magnitude, b_mag. */
  magnitude: Float32Array;
  /** r_mag: the magnitude's encoder is eʳ·w. */
  logScale: Float32Array;
}

/**
 * A gated SAE as the equivalent JumpReLU SAE. With z = w·x, f = [z + b_gate > 0] · ReLU(eʳz + b_mag). As eʳ is
 * above 0, the gate is open exactly where eʳz + b_mag > b_mag − eʳ·b_gate: an encoder eʳw with bias b_mag and
 * threshold θ = b_mag − eʳ·b_gate gives the same f (Rajamanoharan et al., "Improving Dictionary Learning with
 * Gated Sparse Autoencoders", 2024, appendix on the equivalence). Thresholds below 0 are as good as 0. Values within
 * a rounding error of the gate may fall on the other side.
 *
 * @param sae Its encoder w is changed in place.
 * @throws {RangeError} eʳ is no ordinary float32 number.
 */
export function foldGate(
  sae: Pick<Sae, "dModel" | "dictSize" | "wEnc">,
  { bias, magnitude, logScale }: Gate,
): { bEnc: Float32Array; threshold: Float32Array } {
  const { dModel: d, dictSize: m, wEnc } = sae;
  const threshold = new Float32Array(m);
  for (let i = 0; i < m; i++) {
    const scale = Math.exp(logScale[i]);
    // Below 2⁻¹²⁶ or above 2¹²⁸ weights would be lost.
    if (!(scale > 1.2e-38 && scale < 3.4e38)) {
      throw new RangeError(`r_mag[${i}] is ${logScale[i]}, whose exponential float32 cannot hold`);
    }
    for (let c = i * d; c < (i + 1) * d; c++) wEnc[c] *= scale;
    threshold[i] = magnitude[i] - scale * bias[i];
  }
  return { bEnc: magnitude, threshold };
}
