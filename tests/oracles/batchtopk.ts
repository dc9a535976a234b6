// The training step of BatchTopK and TopK in plain float64, dense and written from the formulas; no sparse
// structure is shared with the kernels.
import {
  type AdamMoments,
  type AdamOptions,
  adamStep,
  clipByNorm,
  normalizeRows,
  removeParallel,
} from "./adam.ts";
import {
  keepLargest,
  keepLargestOfRows,
  meanSquare,
  sampleScales,
  scaledMeanSquare,
} from "./dense.ts";
import { forward, gradientsAt, type LossOptions, type OracleWeights } from "./gradients.ts";

/** The state of a run of the oracle between steps, in float64. */
export interface OracleState extends OracleWeights {
  moments: Map<string, AdamMoments>;
  /** Consecutive batches without activity. */
  inactive: Int32Array;
  step: number;
}

export interface OracleOptions extends AdamOptions, LossOptions {
  k: number;
  /** TopK: the k largest of each sample, not the n·k largest of the batch. */
  perSample?: boolean;
  auxK: number;
  deadAfter: number;
  /** Frozen weights: decoder rows and bias, or only the rows. */
  freezeDecoder?: boolean | "directions";
}

export const ORACLE_DEFAULTS = {
  learningRate: 3e-4,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  auxCoefficient: 1 / 32,
  auxK: 512,
  deadAfter: 5,
  subtractDecoderBias: true,
};

export function createOracle(
  sae: {
    dModel: number;
    dictSize: number;
    wEnc: Float32Array;
    bEnc: Float32Array;
    wDec: Float32Array;
    bDec: Float32Array;
  },
): OracleState {
  return {
    d: sae.dModel,
    m: sae.dictSize,
    wEnc: Float64Array.from(sae.wEnc),
    bEnc: Float64Array.from(sae.bEnc),
    wDec: Float64Array.from(sae.wDec),
    bDec: Float64Array.from(sae.bDec),
    moments: new Map(),
    inactive: new Int32Array(sae.dictSize),
    step: 0,
  };
}

/** Whether the weights of this name are frozen. */
export function isFrozen(
  name: string,
  freezeDecoder: OracleOptions["freezeDecoder"] = false,
): boolean {
  return name === "wDec" && freezeDecoder !== false || name === "bDec" && freezeDecoder === true;
}

/** The smallest activation of a batch that the current weights keep (Eq. 8); 0 if they keep none. */
export function smallestKept(
  state: OracleState,
  x: ArrayLike<number>,
  options: OracleOptions,
): number {
  const nothing = new Uint8Array(x.length / state.d * state.m);
  const { z } = forward(state, x, { kept: nothing, auxiliary: nothing }, options);
  const kept = keepLargest(z, x.length / state.d * options.k);
  const values = z.filter((_, at) => kept[at] === 1);
  return values.length === 0 ? 0 : values.reduce((least, value) => Math.min(least, value));
}

/** Takes one step: changes the state, returns the losses and the kept activations. */
export function oracleStep(
  state: OracleState,
  x: ArrayLike<number>,
  options: OracleOptions,
): {
  loss: number;
  auxiliaryLoss: number;
  kept: number;
  smallestKept: number;
  dead: number;
  gradientNorm: number;
} {
  const { d, m, wDec } = state;
  const n = x.length / d;
  const nothing = new Uint8Array(n * m);
  state.step++;
  const { z } = forward(state, x, { kept: nothing, auxiliary: nothing }, options);
  const kept = options.perSample
    ? keepLargestOfRows(z, m, Array.from({ length: m }, (_, i) => i), options.k)
    : keepLargest(z, n * options.k);
  for (let i = 0; i < m; i++) {
    let active = false;
    for (let r = 0; r < n; r++) active ||= kept[r * m + i] === 1;
    state.inactive[i] = active ? 0 : state.inactive[i] + 1;
  }
  const dead = [...state.inactive.keys()].filter((i) => state.inactive[i] >= options.deadAfter);
  const hasAuxiliary = dead.length > 0 && options.auxCoefficient > 0;
  const auxiliary = hasAuxiliary ? keepLargestOfRows(z, m, dead, options.auxK) : nothing;

  const selection = { kept, auxiliary };
  const { f, residual, left } = forward(state, x, selection, options);
  const gradients = gradientsAt(state, x, selection, options);
  removeParallel(gradients.wDec, wDec, d);
  const gradientNorm = clipByNorm(Object.values(gradients), options.gradientClip);
  for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) {
    if (isFrozen(name, options.freezeDecoder)) continue;
    const zeros = () => new Float64Array(state[name].length);
    const moments = state.moments.get(name) ?? { first: zeros(), second: zeros() };
    state.moments.set(name, moments);
    adamStep(state[name], gradients[name], moments, state.step, options);
  }
  if (!options.freezeDecoder) normalizeRows(wDec, d);
  const values = f.filter((value) => value > 0);
  return {
    loss: scaledMeanSquare(residual, sampleScales(x, d, options.lossNormalization), d),
    auxiliaryLoss: hasAuxiliary ? options.auxCoefficient * meanSquare(left) : 0,
    kept: values.length,
    smallestKept: values.reduce((least, value) => Math.min(least, value), Infinity),
    dead: dead.length,
    gradientNorm,
  };
}
