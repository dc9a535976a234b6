// The gain of an SAE in plain float64: the minimum of the parabola through three evaluations.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { evaluate } from "./evaluation.ts";

/** MSE and NMSE of an SAE whose activations are multiplied by g. */
export function evaluateWithGain(sae: Sae, batches: Matrix[], gain: number) {
  return evaluate({ ...sae, wDec: sae.wDec.map((w) => w * gain) }, batches);
}

/** The gain g ≥ 0 with the lowest MSE: MSE(g) is a parabola, determined by g = 0, 1 and 2. */
export function gainOf(sae: Sae, batches: Matrix[]): number {
  const [zero, one, two] = [0, 1, 2].map((gain) => evaluateWithGain(sae, batches, gain).mse);
  const curvature = (zero - 2 * one + two) / 2;
  const slope = one - zero - curvature;
  return Math.max(0, -slope / (2 * curvature));
}
