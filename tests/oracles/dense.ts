// Common parts of the oracles, in plain float64 on dense matrices.

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

/** x − bDec, [n, d]. */
export function center(x: ArrayLike<number>, bDec: ArrayLike<number>): Float64Array {
  return Float64Array.from(x, (value, at) => value - bDec[at % bDec.length]);
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

/** Keeps in each row the `wanted` largest positive numbers of the columns in `among`: a mask. */
export function keepLargestOfRows(
  z: ArrayLike<number>,
  cols: number,
  among: readonly number[],
  wanted: number,
): Uint8Array {
  const mask = new Uint8Array(z.length);
  for (let from = 0; from < z.length; from += cols) {
    const candidates = new Float64Array(cols);
    for (const i of among) candidates[i] = z[from + i];
    mask.set(keepLargest(candidates, wanted), from);
  }
  return mask;
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

/** Mean square. */
export function meanSquare(x: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < x.length; at++) sum += x[at] ** 2;
  return sum / x.length;
}

/** The divisor of each sample's squared errors. */
export type LossNormalization = "none" | "input_deviation";

/** 1 / ‖x[r] − mean‖ of each sample, or 1. */
export function sampleScales(
  x: ArrayLike<number>,
  d: number,
  lossNormalization: LossNormalization = "none",
): Float64Array {
  const n = x.length / d;
  if (lossNormalization === "none") return new Float64Array(n).fill(1);
  const mean = new Float64Array(d);
  for (let at = 0; at < x.length; at++) mean[at % d] += x[at] / n;
  const squares = new Float64Array(n);
  for (let at = 0; at < x.length; at++) squares[Math.floor(at / d)] += (x[at] - mean[at % d]) ** 2;
  return squares.map((sum) => sum > 0 ? 1 / Math.sqrt(sum) : 0);
}

/** mean over n·d of s[r] · e². */
export function scaledMeanSquare(e: Float64Array, scales: Float64Array, d: number): number {
  return e.reduce((sum, value, at) => sum + scales[Math.floor(at / d)] * value ** 2, 0) / e.length;
}
