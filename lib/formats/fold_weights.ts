import type { Sae } from "../sae/sae.ts";

/**
 * Folds a selection by z·‖w‖ and a decoding of f/‖w‖ into the weights: an encoder scaled by ‖w‖ and
 * decoder rows of norm 1 are the same function.
 */
export function foldDecoderNorm({ dModel: d, wEnc, bEnc, wDec }: Sae): void {
  for (let i = 0; i < bEnc.length; i++) {
    const encoder = wEnc.subarray(i * d, (i + 1) * d);
    const decoder = wDec.subarray(i * d, (i + 1) * d);
    const norm = Math.sqrt(decoder.reduce((sum, w) => sum + w * w, 0));
    for (let j = 0; j < d; j++) encoder[j] *= norm;
    bEnc[i] *= norm;
    // A row of zeros decodes to zero whatever its scale.
    if (norm > 0) { for (let j = 0; j < d; j++) decoder[j] /= norm; }
  }
}

/** Takes an `inputScale` s out of weights that it was folded into: encoder w / s, decoder s·w and s·b. */
export function unfoldInputScale({ wEnc, wDec, bDec }: Sae, scale: number): void {
  for (let at = 0; at < wEnc.length; at++) {
    wEnc[at] /= scale;
    wDec[at] *= scale;
  }
  for (let c = 0; c < bDec.length; c++) bDec[c] *= scale;
}

/**
 * Folds a decoding of s·f into the decoder: row i becomes sᵢ·wᵢ. Activations f, and with them L0 and
 * thresholds, stay what the encoder gives.
 */
export function foldActivationScale({ dModel: d, wDec }: Sae, scale: Float32Array): void {
  for (let i = 0; i < scale.length; i++) {
    const decoder = wDec.subarray(i * d, (i + 1) * d);
    for (let j = 0; j < d; j++) decoder[j] *= scale[i];
  }
}
