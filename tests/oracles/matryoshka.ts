// The training step of Matryoshka BatchTopK in plain float64: one dense reconstruction per prefix, whose
// gradients are added up. Unlike in the kernels, the prefixes share no intermediate results.
import { adamStep, clipByNorm, normalizeRows, removeParallel } from "./adam.ts";
import { isFrozen, type OracleOptions, type OracleState } from "./batchtopk.ts";
import {
  center,
  keepLargest,
  keepLargestOfRows,
  meanSquare,
  minusDecoded,
  preActivations,
} from "./dense.ts";
import type { OracleSelection, OracleWeights } from "./gradients.ts";

/** Inputs of the loss besides the weights. */
export interface MatryoshkaOptions {
  /** Number of latents of each prefix. */
  prefixes: readonly number[];
  auxCoefficient: number;
  subtractDecoderBias: boolean;
}

/** Pre-activations, the encoder's input, and the error of each prefix. */
export function forwardPrefixes(
  { d, m, wEnc, bEnc, wDec, bDec }: OracleWeights,
  x: ArrayLike<number>,
  kept: Uint8Array,
  { prefixes, subtractDecoderBias }: MatryoshkaOptions,
) {
  const n = x.length / d;
  const centered = center(x, bDec);
  const input = subtractDecoderBias ? centered : Float64Array.from(x);
  const z = preActivations(input, wEnc, bEnc, n, d, m);
  const parts = prefixes.map((end) => z.map((value, at) => at % m < end ? value * kept[at] : 0));
  const errors = parts.map((f) => minusDecoded(centered, f, wDec, n, d, m));
  return { n, input, z, parts, errors };
}

/** The two losses; `whole` is the error that dead latents reconstruct, a constant. */
export function matryoshkaLosses(
  weights: OracleWeights,
  x: ArrayLike<number>,
  { kept, auxiliary }: OracleSelection,
  options: MatryoshkaOptions,
  whole?: Float64Array,
): { reconstruction: number; auxiliary: number } {
  const { n, z, errors } = forwardPrefixes(weights, x, kept, options);
  const a = z.map((value, at) => value * auxiliary[at]);
  const { wDec, d, m } = weights;
  const left = minusDecoded(whole ?? errors[errors.length - 1], a, wDec, n, d, m);
  return {
    reconstruction: errors.reduce((sum, e) => sum + meanSquare(e), 0) / errors.length,
    auxiliary: options.auxCoefficient * meanSquare(left),
  };
}

/** Gradients of the sum of the losses with respect to all weights. */
export function matryoshkaGradients(
  weights: OracleWeights,
  x: ArrayLike<number>,
  { kept, auxiliary }: OracleSelection,
  options: MatryoshkaOptions,
): { wEnc: Float64Array; bEnc: Float64Array; wDec: Float64Array; bDec: Float64Array } {
  const { d, m, wEnc, wDec } = weights;
  const { n, input, z, parts, errors } = forwardPrefixes(weights, x, kept, options);
  const a = z.map((value, at) => value * auxiliary[at]);
  const left = minusDecoded(errors[errors.length - 1], a, wDec, n, d, m);
  const scale = -2 / (n * d);
  const outputs = [
    ...errors.map((e, p) => ({
      active: parts[p],
      out: e,
      scale: scale / errors.length,
      main: true,
    })),
    { active: a, out: left, scale: scale * options.auxCoefficient, main: false },
  ];
  const gradients = {
    wEnc: new Float64Array(m * d),
    bEnc: new Float64Array(m),
    wDec: new Float64Array(m * d),
    bDec: new Float64Array(d),
  };
  for (const { active, out, scale, main } of outputs) {
    for (let r = 0; r < n; r++) {
      if (main) { for (let c = 0; c < d; c++) gradients.bDec[c] += scale * out[r * d + c]; }
      for (let i = 0; i < m; i++) {
        const f = active[r * m + i];
        if (f === 0) continue;
        let delta = 0;
        for (let c = 0; c < d; c++) {
          gradients.wDec[i * d + c] += scale * f * out[r * d + c];
          delta += scale * wDec[i * d + c] * out[r * d + c];
        }
        gradients.bEnc[i] += delta;
        for (let c = 0; c < d; c++) {
          gradients.wEnc[i * d + c] += delta * input[r * d + c];
          if (options.subtractDecoderBias) gradients.bDec[c] -= delta * wEnc[i * d + c];
        }
      }
    }
  }
  return gradients;
}

/** Takes one step: changes the state, returns the losses and the kept activations. */
export function matryoshkaStep(
  state: OracleState,
  x: ArrayLike<number>,
  options: OracleOptions & MatryoshkaOptions,
): { loss: number; auxiliaryLoss: number; kept: number; dead: number; gradientNorm: number } {
  const { d, m } = state;
  const n = x.length / d;
  state.step++;
  const { z } = forwardPrefixes(state, x, new Uint8Array(n * m), options);
  const kept = keepLargest(z, n * options.k);
  for (let i = 0; i < m; i++) {
    const active = kept.some((one, at) => at % m === i && one === 1);
    state.inactive[i] = active ? 0 : state.inactive[i] + 1;
  }
  const dead = [...state.inactive.keys()].filter((i) => state.inactive[i] >= options.deadAfter);
  const helps = dead.length > 0 && options.auxCoefficient > 0;
  const auxiliary = helps ? keepLargestOfRows(z, m, dead, options.auxK) : new Uint8Array(n * m);
  const own = helps ? options : { ...options, auxCoefficient: 0 };
  const losses = matryoshkaLosses(state, x, { kept, auxiliary }, own);
  const gradients = matryoshkaGradients(state, x, { kept, auxiliary }, own);
  removeParallel(gradients.wDec, state.wDec, d);
  const gradientNorm = clipByNorm(Object.values(gradients), options.gradientClip);
  for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) {
    if (isFrozen(name, options.freezeDecoder)) continue;
    const zeros = () => new Float64Array(state[name].length);
    const moments = state.moments.get(name) ?? { first: zeros(), second: zeros() };
    state.moments.set(name, moments);
    adamStep(state[name], gradients[name], moments, state.step, options);
  }
  if (!options.freezeDecoder) normalizeRows(state.wDec, d);
  return {
    ...{ loss: losses.reconstruction, auxiliaryLoss: losses.auxiliary },
    ...{ kept: kept.reduce((sum, one) => sum + one, 0), dead: dead.length, gradientNorm },
  };
}
