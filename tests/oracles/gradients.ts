// The loss of BatchTopK for a given selection, and its gradients by the chain rule on full matrices.
import {
  center,
  type LossNormalization,
  meanSquare,
  minusDecoded,
  preActivations,
  sampleScales,
  scaledMeanSquare,
} from "./dense.ts";

/** Weights in float64; row i of wEnc and wDec belongs to latent i. */
export interface OracleWeights {
  d: number;
  m: number;
  wEnc: Float64Array;
  bEnc: Float64Array;
  wDec: Float64Array;
  bDec: Float64Array;
}

/** The selected activations, as masks of [n, m]. */
export interface OracleSelection {
  /** In the reconstruction. */
  kept: Uint8Array;
  /** In the auxiliary loss. */
  auxiliary: Uint8Array;
}

/** Inputs of the loss besides the weights. */
export interface LossOptions {
  auxCoefficient: number;
  subtractDecoderBias: boolean;
  lossNormalization?: LossNormalization;
}

/** The reconstruction, its error e, and the error of the dead latents' reconstruction of that, e − ê. */
export function forward(
  { d, m, wEnc, bEnc, wDec, bDec }: OracleWeights,
  x: ArrayLike<number>,
  { kept, auxiliary }: OracleSelection,
  { subtractDecoderBias }: LossOptions,
) {
  const n = x.length / d;
  const centered = center(x, bDec);
  const input = subtractDecoderBias ? centered : Float64Array.from(x);
  const z = preActivations(input, wEnc, bEnc, n, d, m);
  const f = z.map((value, at) => value * kept[at]);
  const a = z.map((value, at) => value * auxiliary[at]);
  const residual = minusDecoded(centered, f, wDec, n, d, m);
  const left = minusDecoded(residual, a, wDec, n, d, m);
  return { n, input, z, f, a, residual, left };
}

/**
 * The two losses. `residual` is the e that dead latents reconstruct, a constant of the auxiliary
 * loss: give the one of the unchanged weights where weights are perturbed.
 */
export function lossesAt(
  weights: OracleWeights,
  x: ArrayLike<number>,
  selection: OracleSelection,
  options: LossOptions,
  residual?: Float64Array,
): { reconstruction: number; auxiliary: number } {
  const { n, a, residual: own } = forward(weights, x, selection, options);
  const left = minusDecoded(residual ?? own, a, weights.wDec, n, weights.d, weights.m);
  const auxiliary = options.auxCoefficient * meanSquare(left);
  const scales = sampleScales(x, weights.d, options.lossNormalization);
  return { reconstruction: scaledMeanSquare(own, scales, weights.d), auxiliary };
}

/** Gradients of the sum of the losses with respect to all weights. */
export function gradientsAt(
  weights: OracleWeights,
  x: ArrayLike<number>,
  selection: OracleSelection,
  options: LossOptions,
): { wEnc: Float64Array; bEnc: Float64Array; wDec: Float64Array; bDec: Float64Array } {
  const { d, m, wEnc, wDec } = weights;
  const { n, input, f, a, residual, left } = forward(weights, x, selection, options);
  const scale = -2 / (n * d);
  const scales = sampleScales(x, d, options.lossNormalization);
  const outputs = [
    [f, residual.map((value, at) => scale * scales[Math.floor(at / d)] * value)],
    [a, left.map((value) => scale * options.auxCoefficient * value)],
  ] as const;
  const gradients = {
    wEnc: new Float64Array(m * d),
    bEnc: new Float64Array(m),
    wDec: new Float64Array(m * d),
    bDec: new Float64Array(d),
  };
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < d; c++) gradients.bDec[c] += outputs[0][1][r * d + c];
    for (let i = 0; i < m; i++) {
      let delta = 0;
      for (const [active, out] of outputs) {
        const value = active[r * m + i];
        if (value === 0) continue;
        for (let c = 0; c < d; c++) {
          gradients.wDec[i * d + c] += value * out[r * d + c];
          delta += wDec[i * d + c] * out[r * d + c];
        }
      }
      if (delta === 0) continue;
      gradients.bEnc[i] += delta;
      for (let c = 0; c < d; c++) {
        gradients.wEnc[i * d + c] += delta * input[r * d + c];
        if (options.subtractDecoderBias) gradients.bDec[c] -= delta * wEnc[i * d + c];
      }
    }
  }
  return gradients;
}
