// The training step of ReLU and JumpReLU in plain float64, dense and written from the formulas.
import {
  type AdamMoments,
  type AdamOptions,
  adamStep,
  clipByNorm,
  normalizeRows,
  removeParallel,
} from "./adam.ts";
import {
  center,
  type LossNormalization,
  minusDecoded,
  preActivations,
  sampleScales,
  scaledMeanSquare,
} from "./dense.ts";
import type { OracleWeights } from "./gradients.ts";

/** Weights; JumpReLU has log θ too. */
export interface RaggedWeights extends OracleWeights {
  logTheta?: Float64Array;
}

export interface RaggedOptions {
  sparsityCoefficient: number;
  subtractDecoderBias: boolean;
  bandwidth: number;
  lossNormalization: LossNormalization;
}

/** Pre-activations z, activations f and the error e. */
export function forwardRagged(
  { d, m, wEnc, bEnc, wDec, bDec, logTheta }: RaggedWeights,
  x: ArrayLike<number>,
  { subtractDecoderBias }: RaggedOptions,
) {
  const n = x.length / d;
  const centered = center(x, bDec);
  const input = subtractDecoderBias ? centered : Float64Array.from(x);
  const z = preActivations(input, wEnc, bEnc, n, d, m);
  const f = z.map((value, at) => logTheta && !(value > Math.exp(logTheta[at % m])) ? 0 : value);
  return { n, centered, input, z, f, residual: minusDecoded(centered, f, wDec, n, d, m) };
}

/** The two losses, and the activations. */
export function raggedLosses(
  weights: RaggedWeights,
  x: ArrayLike<number>,
  options: RaggedOptions,
): { reconstruction: number; sparsity: number; f: Float64Array } {
  const { n, f, residual } = forwardRagged(weights, x, options);
  const scales = sampleScales(x, weights.d, options.lossNormalization);
  const penalty = f.reduce((sum, value) => sum + (weights.logTheta ? Number(value > 0) : value), 0);
  return {
    reconstruction: scaledMeanSquare(residual, scales, weights.d),
    sparsity: options.sparsityCoefficient * penalty / n,
    f,
  };
}

/** Gradients of the losses' sum; straight-through ones for θ and through the gate. */
export function raggedGradients(
  weights: RaggedWeights,
  x: ArrayLike<number>,
  options: RaggedOptions,
) {
  const { d, m, wEnc, wDec, logTheta } = weights;
  const { n, input, z, f, residual } = forwardRagged(weights, x, options);
  const scales = sampleScales(x, d, options.lossNormalization);
  const output = residual.map((e, at) => -2 / (n * d) * scales[Math.floor(at / d)] * e);
  const gradients = {
    wEnc: new Float64Array(m * d),
    bEnc: new Float64Array(m),
    wDec: new Float64Array(m * d),
    bDec: new Float64Array(d),
    logTheta: new Float64Array(m),
  };
  const lambda = options.sparsityCoefficient / n;
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < d; c++) gradients.bDec[c] += output[r * d + c];
    for (let i = 0; i < m; i++) {
      let g = 0;
      for (let c = 0; c < d; c++) {
        g += output[r * d + c] * wDec[i * d + c];
        gradients.wDec[i * d + c] += f[r * m + i] * output[r * d + c];
      }
      let delta = z[r * m + i] > 0 ? g + lambda : 0;
      if (logTheta) {
        const theta = Math.exp(logTheta[i]);
        const inWindow = Math.abs((z[r * m + i] - theta) / options.bandwidth) < 0.5;
        const byTheta = inWindow
          ? -(theta / options.bandwidth) * g - lambda / options.bandwidth
          : 0;
        gradients.logTheta[i] += theta * byTheta;
        delta = z[r * m + i] > theta ? g : 0;
      }
      gradients.bEnc[i] += delta;
      for (let c = 0; c < d; c++) {
        gradients.wEnc[i * d + c] += delta * input[r * d + c];
        if (options.subtractDecoderBias) gradients.bDec[c] -= delta * wEnc[i * d + c];
      }
    }
  }
  return gradients;
}

/** The state of a run between steps. */
export interface RaggedState extends RaggedWeights {
  moments: Map<string, AdamMoments>;
  inactive: Int32Array;
  step: number;
}

/** Takes one step: changes the state, returns the fields of a training record. */
export function raggedStep(
  state: RaggedState,
  x: ArrayLike<number>,
  options: RaggedOptions & AdamOptions & { deadAfter: number },
) {
  const { d, m, logTheta } = state;
  const { reconstruction, sparsity, f } = raggedLosses(state, x, options);
  const thetas = logTheta?.map(Math.exp);
  const gradients = raggedGradients(state, x, options);
  removeParallel(gradients.wDec, state.wDec, d);
  // A ReLU has no thresholds: their gradients are zero.
  const gradientNorm = clipByNorm(Object.values(gradients), options.gradientClip);
  state.step++;
  for (const name of ["wEnc", "bEnc", "wDec", "bDec", "logTheta"] as const) {
    const value = state[name];
    if (!value) continue;
    const zeros = () => new Float64Array(value.length);
    const moments = state.moments.get(name) ?? { first: zeros(), second: zeros() };
    state.moments.set(name, moments);
    adamStep(value, gradients[name], moments, state.step, options);
  }
  normalizeRows(state.wDec, d);
  const active = f.filter((value) => value > 0);
  for (let i = 0; i < m; i++) {
    state.inactive[i] = f.some((value, at) => at % m === i && value > 0)
      ? 0
      : state.inactive[i] + 1;
  }
  return {
    reconstructionLoss: reconstruction,
    sparsityLoss: sparsity,
    active: active.length,
    smallestKept: active.reduce((least, value) => Math.min(least, value), Infinity),
    dead: state.inactive.filter((batches) => batches >= options.deadAfter).length,
    gradientNorm,
    meanThreshold: thetas && thetas.reduce((sum, theta) => sum + theta, 0) / m,
  };
}
