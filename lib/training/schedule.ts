import type { Architecture } from "../sae/architectures/own_options.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Settings } from "./options.ts";

// What suits 512 latents in 400 steps of 512 to 1024 samples (docs/defaults.md).
const RATE = 1.2e-2;
const LATENTS = 512;
const STEPS = 400;
/** Steps of a run that lasts until the batches end, so far as the learning rate goes. */
const UNKNOWN_STEPS = 10_000;

/**
 * The learning rate where none is given: 1.2e-2 · √(512 / m) · ∛(400 / steps), two digits of it, with at
 * least 400 steps and 10,000 where their number is not known; for relu and jumprelu, which have no
 * auxiliary loss that would revive latents, half of it. More latents want a smaller one, and
 * so do more steps, which give it time to settle.
 */
export function defaultLearningRate(
  { architecture, dictSize, steps = UNKNOWN_STEPS }: {
    architecture: Architecture;
    dictSize: number;
    steps?: number;
  },
): number {
  const base = RATE * architectureOf(architecture).rateFactor;
  const rate = base * Math.sqrt(LATENTS / dictSize) * Math.cbrt(STEPS / Math.max(STEPS, steps));
  return Number(rate.toPrecision(2));
}

/** Last steps over which the learning rate falls where it is not said: a fifth, none of an unknown number. */
export function defaultDecaySteps(steps: number | undefined): number {
  return Math.floor((steps ?? 0) / 5);
}

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
