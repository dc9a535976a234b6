import type { Matrix } from "../matrix.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import type { Settings } from "./options.ts";

/** Most products of two numbers that finding the start takes: half a second. */
const WORK = 2 ** 29;

/**
 * Lets an SAE with a target L0 start at it, which the first batch tells: a run of 400 steps cannot lower
 * L0 from the half of all latents that are active in a new ReLU SAE and learn as well, and a threshold θ
 * moves by a few permille a step at most.
 * - relu: the encoder bias starts at −c, with c the pre-activation that K of the latents are above;
 * - jumprelu: the thresholds start at c of 1.3 · K, unless `initialThreshold` is given: in the first 25
 *   steps L0 falls by a third, before λ or the thresholds have moved.
 *
 * @param sae The new SAE; changed.
 * @param x The first batch as the SAE reads it, normalised, [n, d].
 */
export function startSparse(
  sae: Sae,
  x: Matrix,
  { targetL0, initialThreshold }: Settings,
): void {
  if (initialThreshold !== undefined) return;
  const { threshold, sparsity } = architectureOf(sae.architecture);
  const cut = activationAt(sae, x, sparsity!.startAbove * targetL0!);
  // Where more latents are wanted than are positive, or a number is not finite, nothing is changed.
  if (!(cut > 0 && cut < Infinity)) return;
  if (threshold === "learned") sae.threshold!.fill(cut);
  else sae.bEnc.fill(-cut);
}

/**
 * The pre-activation that `wanted` latents of a sample are above on average: where BatchTopK would cut.
 * It is found on as many of the first samples as `WORK` allows.
 */
export function activationAt(sae: Sae, { data, rows, cols }: Matrix, wanted: number): number {
  const { dictSize, wEnc, bDec, subtractDecoderBias } = sae;
  const taken = Math.min(rows, Math.max(1, Math.floor(WORK / (dictSize * cols))));
  const z = new Float32Array(taken * dictSize);
  const input = new Float64Array(cols);
  for (let row = 0; row < taken; row++) {
    for (let c = 0; c < cols; c++) {
      input[c] = data[row * cols + c] - (subtractDecoderBias ? bDec[c] : 0);
    }
    for (let latent = 0; latent < dictSize; latent++) {
      let sum = 0;
      for (let c = 0; c < cols; c++) sum += wEnc[latent * cols + c] * input[c];
      z[row * dictSize + latent] = sum;
    }
  }
  z.sort();
  return z[Math.max(0, z.length - Math.round(taken * wanted))];
}
