import type { Thread } from "../device/cpu_stage.ts";

// Float32 arithmetic of the CPU device. Every sum has the same order on all threads and machines: the
// plain loops here define it, the SIMD loops (kernels/simd) keep it. A product is rounded before it is
// added (no fused multiply-add). For +, −, ×, ÷ and √, float64 arithmetic followed by one rounding gives
// the same bits as float32 arithmetic.

const f = Math.fround;

/**
 * Σ_c a[aAt + c] · b[bAt + c] over d numbers, in 16 partial sums: number c belongs to sum c mod 16. They
 * are added as (i + (i + 4)) + ((i + 8) + (i + 12)) for i < 4, and the results as (0 + 1) + (2 + 3). The
 * numbers after the last multiple of 16 are added at the end, one by one.
 */
export function dot(
  a: Float32Array,
  aAt: number,
  b: Float32Array,
  bAt: number,
  d: number,
): number {
  const sums = new Float32Array(16);
  const whole = d - d % 16;
  for (let c = 0; c < whole; c += 16) {
    for (let lane = 0; lane < 16; lane++) sums[lane] += f(a[aAt + c + lane] * b[bAt + c + lane]);
  }
  for (let lane = 0; lane < 4; lane++) {
    sums[lane] = f(sums[lane] + sums[lane + 4]) + f(sums[lane + 8] + sums[lane + 12]);
  }
  let total = f(f(sums[0] + sums[1]) + f(sums[2] + sums[3]));
  for (let c = whole; c < d; c++) total = f(total + f(a[aAt + c] * b[bAt + c]));
  return total;
}

/**
 * Largest error of {@linkcode dot} relative to the product of the rows' norms: a term takes part in d / 16
 * + 20 roundings of 2⁻²⁴ (its product, its partial sum, 4 sums of these, 15 at the end).
 */
export const dotError = (d: number): number => (d / 16 + 24) * 2 ** -24;

/** {@linkcode dot} on a thread, by SIMD where available. */
export function dotOn(thread: Thread): typeof dot {
  const { simd } = thread;
  if (!simd) return dot;
  return (a, aAt, b, bAt, d) => simd.dot(a.byteOffset + 4 * aAt, b.byteOffset + 4 * bAt, d);
}

/**
 * Adds weighted rows: out[outAt + c] = start + Σ_j factors[stride · j] · source[rows[j] · d + c] for
 * j = first … last − 1, in that order, per number. `start` is the content of `out`, or 0 with `fresh`.
 * Row numbers from `half` on mean row − half.
 */
export function addRows(
  out: Float32Array,
  outAt: number,
  source: Float32Array,
  rows: Uint32Array,
  factors: Float32Array,
  { first, last, stride = 1, half = 0xffffffff, sign = 1, fresh = false, d }: {
    first: number;
    last: number;
    d: number;
    stride?: number;
    half?: number;
    /** −1 subtracts the rows. */
    sign?: 1 | -1;
    fresh?: boolean;
  },
): void {
  if (fresh) out.fill(0, outAt, outAt + d);
  for (let j = first; j < last; j++) {
    const factor = sign * factors[stride * j];
    const row = rows[j] < half ? rows[j] : rows[j] - half;
    for (let c = 0, from = row * d; c < d; c++, from++) out[outAt + c] += f(factor * source[from]);
  }
}

/** {@linkcode addRows} on a thread, by SIMD where available. */
export function addRowsOn(thread: Thread): typeof addRows {
  const { simd } = thread;
  if (!simd) return addRows;
  return (
    out,
    outAt,
    source,
    rows,
    factors,
    { first, last, stride = 1, half = 0xffffffff, sign = 1, fresh = false, d },
  ) =>
    simd.addRows(
      out.byteOffset + 4 * outAt,
      source.byteOffset,
      rows.byteOffset + 4 * first,
      factors.byteOffset + 4 * stride * first,
      4 * stride,
      last - first,
      half,
      sign,
      fresh ? 1 : 0,
      d,
    );
}

/** words[at] = max(words[at], value), atomically. */
export function atomicMax(words: Uint32Array, at: number, value: number): void {
  let found = Atomics.load(words, at);
  while (found < value) {
    const before = Atomics.compareExchange(words, at, found, value);
    if (before === found) return;
    found = before;
  }
}

/** Whether a float32 is finite. */
export const isFiniteNumber = (value: number): boolean => value - value === 0;
