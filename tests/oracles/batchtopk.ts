// The training step of BatchTopK in plain float64, dense and written from the formulas: gradients by
// the chain rule on full matrices, no sparse structure shared with the kernels.

/** Everything a run of the oracle carries from step to step, in float64. */
export interface OracleState {
  d: number;
  m: number;
  wEnc: Float64Array;
  bEnc: Float64Array;
  wDec: Float64Array;
  bDec: Float64Array;
  moments: Map<string, { first: Float64Array; second: Float64Array }>;
  /** Consecutive batches without activity. */
  inactive: Int32Array;
  step: number;
}

export interface OracleOptions {
  k: number;
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  auxCoefficient: number;
  auxK: number;
  deadAfter: number;
  subtractDecoderBias: boolean;
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

/** ReLU(input · wEncᵀ + bEnc), [n, m]. */
export function preActivations(
  input: ArrayLike<number>,
  wEnc: ArrayLike<number>,
  bEnc: ArrayLike<number>,
  n: number,
  d: number,
  m: number,
): Float64Array {
  const z = new Float64Array(n * m);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < m; i++) {
      let sum = bEnc[i];
      for (let c = 0; c < d; c++) sum += input[r * d + c] * wEnc[i * d + c];
      z[r * m + i] = Math.max(0, sum);
    }
  }
  return z;
}

/** Keeps the `wanted` largest positive numbers, ties to the lower index: a mask. */
export function keepLargest(z: ArrayLike<number>, wanted: number): Uint8Array {
  const order = [];
  for (let at = 0; at < z.length; at++) if (z[at] > 0) order.push(at);
  order.sort((a, b) => z[b] - z[a] || a - b);
  const mask = new Uint8Array(z.length);
  for (const at of order.slice(0, wanted)) mask[at] = 1;
  return mask;
}

/** One step; returns the losses, what was kept, and changes the state. */
export function oracleStep(
  state: OracleState,
  x: ArrayLike<number>,
  options: OracleOptions,
): { loss: number; auxiliaryLoss: number; kept: number; smallestKept: number; dead: number } {
  const { d, m, wEnc, bEnc, wDec, bDec } = state;
  const n = x.length / d;
  state.step++;
  const centered = Float64Array.from(x, (value, at) => value - bDec[at % d]);
  const input = options.subtractDecoderBias ? centered : Float64Array.from(x);
  const z = preActivations(input, wEnc, bEnc, n, d, m);
  const mask = keepLargest(z, n * options.k);
  const f = z.map((value, at) => value * mask[at]);

  const residual = minusDecoded(centered, f, wDec, n, d, m);
  const gradientOut = residual.map((value) => -2 * value / (n * d));
  for (let i = 0; i < m; i++) {
    let active = false;
    for (let r = 0; r < n; r++) active ||= mask[r * m + i] === 1;
    state.inactive[i] = active ? 0 : state.inactive[i] + 1;
  }
  const dead = [...state.inactive.keys()].filter((i) => state.inactive[i] >= options.deadAfter);

  const a = new Float64Array(n * m);
  const auxiliaryOut = new Float64Array(n * d);
  let auxiliaryLoss = 0;
  if (dead.length > 0 && options.auxCoefficient > 0) {
    const count = Math.min(options.auxK, dead.length);
    for (let r = 0; r < n; r++) {
      const candidates = new Float64Array(m);
      for (const i of dead) candidates[i] = z[r * m + i];
      const keep = keepLargest(candidates, count);
      for (let i = 0; i < m; i++) a[r * m + i] = candidates[i] * keep[i];
    }
    const left = minusDecoded(residual, a, wDec, n, d, m);
    auxiliaryLoss = options.auxCoefficient * meanSquare(left);
    for (let at = 0; at < n * d; at++) {
      auxiliaryOut[at] = -2 * options.auxCoefficient * left[at] / (n * d);
    }
  }

  const gradients = {
    wEnc: new Float64Array(m * d),
    bEnc: new Float64Array(m),
    wDec: new Float64Array(m * d),
    bDec: new Float64Array(d),
  };
  for (let r = 0; r < n; r++) {
    for (let c = 0; c < d; c++) gradients.bDec[c] += gradientOut[r * d + c];
    for (let i = 0; i < m; i++) {
      let delta = 0;
      for (const [active, out] of [[f, gradientOut], [a, auxiliaryOut]]) {
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
  for (let i = 0; i < m; i++) {
    let along = 0;
    let squares = 0;
    for (let c = i * d; c < (i + 1) * d; c++) {
      along += gradients.wDec[c] * wDec[c];
      squares += wDec[c] ** 2;
    }
    for (let c = i * d; c < (i + 1) * d; c++) gradients.wDec[c] -= along / squares * wDec[c];
  }
  for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) {
    adam(state, name, gradients[name], options);
  }
  for (let i = 0; i < m; i++) {
    const norm = Math.hypot(...wDec.subarray(i * d, (i + 1) * d));
    for (let c = i * d; c < (i + 1) * d; c++) wDec[c] /= norm;
  }
  const kept = [...f].filter((value) => value > 0);
  return {
    loss: meanSquare(residual),
    auxiliaryLoss,
    kept: kept.length,
    smallestKept: kept.reduce((least, value) => Math.min(least, value), Infinity),
    dead: dead.length,
  };
}

function adam(
  state: OracleState,
  name: "wEnc" | "bEnc" | "wDec" | "bDec",
  gradient: Float64Array,
  { learningRate, beta1, beta2, epsilon }: OracleOptions,
): void {
  const value = state[name];
  const zeros = () => new Float64Array(value.length);
  const moments = state.moments.get(name) ?? { first: zeros(), second: zeros() };
  state.moments.set(name, moments);
  const { first, second } = moments;
  for (let j = 0; j < value.length; j++) {
    first[j] = beta1 * first[j] + (1 - beta1) * gradient[j];
    second[j] = beta2 * second[j] + (1 - beta2) * gradient[j] ** 2;
    const mean = first[j] / (1 - beta1 ** state.step);
    const variance = second[j] / (1 - beta2 ** state.step);
    value[j] -= learningRate * mean / (Math.sqrt(variance) + epsilon);
  }
}

/** target − f · wDec, [n, d]. */
export function minusDecoded(
  target: ArrayLike<number>,
  f: ArrayLike<number>,
  wDec: ArrayLike<number>,
  n: number,
  d: number,
  m: number,
): Float64Array {
  const out = Float64Array.from(target);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < m; i++) {
      const value = f[r * m + i];
      if (value === 0) continue;
      for (let c = 0; c < d; c++) out[r * d + c] -= value * wDec[i * d + c];
    }
  }
  return out;
}

function meanSquare(x: Float64Array): number {
  return x.reduce((sum, value) => sum + value * value, 0) / x.length;
}
