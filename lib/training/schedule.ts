import type { Settings } from "./options.ts";

/**
 * The learning rate of a step, from 1: rising over the first `warmupSteps`, falling to 0 over the
 * last `decaySteps` (the step after the last would have rate 0).
 */
export function learningRateAt(step: number, settings: Settings): number {
  const { learningRate, warmupSteps, decaySteps, steps } = settings;
  const rise = warmupSteps > 0 ? Math.min(1, step / warmupSteps) : 1;
  const fall = decaySteps > 0 ? Math.min(1, (steps! + 1 - step) / decaySteps) : 1;
  return learningRate * rise * fall;
}

/** The share of λ that a step has, from 1: rising over the first `sparsityWarmupSteps`. */
export function sparsityShareAt(step: number, { sparsityWarmupSteps }: Settings): number {
  return sparsityWarmupSteps > 0 ? Math.min(1, step / sparsityWarmupSteps) : 1;
}

/**
 * JumpReLU's learning rate for log θ over that of the weights. With a target L0 it is 5e-3 by default: L0
 * follows λ through the thresholds alone, which Adam moves by hardly more than the rate in a step, half a
 * percent then, however slowly the weights move.
 */
export function thresholdRateFactor(
  { thresholdLearningRate, learningRate, targetL0 }: Settings,
): number {
  const rate = thresholdLearningRate ?? (targetL0 === undefined ? learningRate : 5e-3);
  return rate === learningRate ? 1 : learningRate > 0 ? rate / learningRate : 0;
}
