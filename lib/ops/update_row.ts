import { STEP_AT } from "../../kernels/prelude.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { dot } from "./arithmetic.ts";

/** A row of weights with its moments and its gradient; the update may change the gradient. */
export interface UpdatedRow {
  /** Weights, and Adam's moments of the same layout. */
  w: Float32Array;
  first: Float32Array;
  second: Float32Array;
  /** Index of the row's first number in these three. */
  at: number;
  gradient: Float32Array;
  /** Index of the row's first number in `gradient`. */
  gradientAt: number;
  /** Length of the row. */
  d: number;
}

/** Constants of an update. */
export interface UpdateConstants {
  /** The words of `STEP`, kernels/prelude.ts, in the order that the SIMD loop uses too. */
  step: Float32Array;
  /** Learning rate divided by the first moment's bias correction, times the row's factor. */
  rate: number;
  /** Whether to remove the gradient's component along the row first, and scale the row to norm 1. */
  decoder: boolean;
}

const f = Math.fround;

/** One step of Adam on a row, in float32. SIMD has the same order of operations. */
export function updateRow(
  { w, first, second, at, gradient, gradientAt, d }: UpdatedRow,
  { step, rate, decoder }: UpdateConstants,
): void {
  const [correction, epsilon] = [step[STEP_AT.correction], step[STEP_AT.epsilon]];
  const [beta1, beta2] = [step[STEP_AT.beta1], step[STEP_AT.beta2]];
  const [rest1, rest2] = [f(1 - beta1), f(1 - beta2)];
  if (decoder) {
    const squares = dot(w, at, w, at, d);
    const parallel = squares > 0 ? f(dot(gradient, gradientAt, w, at, d) / squares) : 0;
    for (let c = 0; c < d; c++) gradient[gradientAt + c] -= f(parallel * w[at + c]);
  }
  for (let c = 0; c < d; c++) {
    const g = gradient[gradientAt + c];
    const m = f(f(beta1 * first[at + c]) + f(rest1 * g));
    const v = f(f(beta2 * second[at + c]) + f(f(rest2 * g) * g));
    first[at + c] = m;
    second[at + c] = v;
    w[at + c] -= f(f(rate * m) / f(f(f(Math.sqrt(v)) * correction) + epsilon));
  }
  if (!decoder) return;
  const squares = dot(w, at, w, at, d);
  const scale = squares > 0 ? f(1 / f(Math.sqrt(squares))) : 0;
  for (let c = 0; c < d; c++) w[at + c] *= scale;
}

/** {@linkcode updateRow} on a thread, by SIMD where available. */
export function updateRowOn(thread: Thread): typeof updateRow {
  const { simd } = thread;
  if (!simd) return updateRow;
  return ({ w, first, second, at, gradient, gradientAt, d }, { step, rate, decoder }) =>
    simd.updateRow(
      w.byteOffset + 4 * at,
      first.byteOffset + 4 * at,
      second.byteOffset + 4 * at,
      gradient.byteOffset + 4 * gradientAt,
      step.byteOffset,
      rate,
      decoder ? 1 : 0,
      d,
    );
}
