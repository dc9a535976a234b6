// Adam with bias correction, and the special treatment of decoder rows, in plain float64.

/** Constants of Adam. */
export interface AdamOptions {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Limit on the norm of all gradients together; 0 or undefined: no limit. */
  gradientClip?: number;
}

/** Adam's first and second moments. */
export interface AdamMoments {
  first: Float64Array;
  second: Float64Array;
}

/** Step number `step` (from 1) of Adam; changes value and moments. */
export function adamStep(
  value: Float64Array,
  gradient: ArrayLike<number>,
  { first, second }: AdamMoments,
  step: number,
  { learningRate, beta1, beta2, epsilon }: AdamOptions,
): void {
  for (let j = 0; j < value.length; j++) {
    first[j] = beta1 * first[j] + (1 - beta1) * gradient[j];
    second[j] = beta2 * second[j] + (1 - beta2) * gradient[j] ** 2;
    const mean = first[j] / (1 - beta1 ** step);
    const variance = second[j] / (1 - beta2 ** step);
    value[j] -= learningRate * mean / (Math.sqrt(variance) + epsilon);
  }
}

/** Removes from each row of the gradient its part along the same row of w. */
export function removeParallel(gradient: Float64Array, w: Float64Array, d: number): void {
  for (let from = 0; from < w.length; from += d) {
    let along = 0;
    let squares = 0;
    for (let c = from; c < from + d; c++) {
      along += gradient[c] * w[c];
      squares += w[c] ** 2;
    }
    for (let c = from; c < from + d; c++) gradient[c] -= along / squares * w[c];
  }
}

/** Scales each row to norm 1. */
export function normalizeRows(w: Float64Array, d: number): void {
  for (let from = 0; from < w.length; from += d) {
    const norm = Math.hypot(...w.subarray(from, from + d));
    for (let c = from; c < from + d; c++) w[c] /= norm;
  }
}

/** Clips gradients to a norm of at most `limit` together (0: no limit); returns the norm before clipping. */
export function clipByNorm(gradients: Float64Array[], limit = 0): number {
  let squares = 0;
  for (const gradient of gradients) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  if (limit === 0) return norm;
  const factor = Math.min(1, limit / (norm + 1e-6));
  for (const gradient of gradients) gradient.forEach((g, at) => gradient[at] = g * factor);
  return norm;
}
