import { architectureOf } from "../sae/architectures/registry.ts";
import type { StepRecord } from "./step_record.ts";
import type { Settings } from "./options.ts";

/** Steps from one change of a steered λ to the next. */
const EVERY = 10;
/** Largest change of log λ at a time: a factor of 7 in 100 steps. */
const LARGEST = 0.2;
/** Most of a trend that is carried on. */
const LARGEST_TREND = 0.02;

/** Whether λ changes before a step by the records of all steps before it. */
export function isSteered({ targetL0 }: Settings, step: number): boolean {
  return targetL0 !== undefined && step > 1 && step % EVERY === 1;
}

/**
 * The next λ of a run with a target L0, from the records so far: a proportional-integral controller on
 * log λ that carries a trend on. With y the logarithm of L0 over its target, on average over 10 steps,
 *
 * log λ ← log λ + a · y + b · (y − y of the 10 steps before) + 0.7 · trend, a = 0.2 and b = 1 for relu,
 * 0.6 and 6 for jumprelu.
 *
 * The first term acts until y is 0. The second holds back where L0 already moves, as it does for many steps
 * after λ has changed, since weights and thresholds follow λ by Adam's steps. The third is the mean change
 * of log λ in the last 100 steps, at most 0.02: an SAE that still learns needs another λ all the time, and
 * without this L0 lags 3 % behind.
 *
 * Everything is in the records, so that a run that is resumed steers as one that never stopped.
 */
export function steeredCoefficient(
  history: readonly StepRecord[],
  { architecture, targetL0 }: Pick<Settings, "architecture" | "targetL0">,
): number {
  const { integral, proportional } = architectureOf(architecture).sparsity!.gains;
  const last = history[history.length - 1].sparsityCoefficient!;
  const y = offTarget(history.slice(-EVERY), targetL0!);
  const before = history.slice(-2 * EVERY, -EVERY);
  const change = before.length < EVERY ? 0 : y - offTarget(before, targetL0!);
  const step = integral * y + proportional * change + 0.7 * trend(history, last);
  return last * Math.exp(Math.max(-LARGEST, Math.min(LARGEST, step)));
}

/** Mean change of log λ at a time over the last 100 steps, bounded so that no start is carried on. */
function trend(history: readonly StepRecord[], last: number): number {
  const then = history[history.length - 10 * EVERY]?.sparsityCoefficient;
  if (then === undefined) return 0;
  const change = Math.log(last / then) / 10;
  return Math.max(-LARGEST_TREND, Math.min(LARGEST_TREND, change));
}

/** log(L0 / target), bounded where hardly a latent is active. */
function offTarget(records: readonly StepRecord[], targetL0: number): number {
  const l0 = records.reduce((sum, record) => sum + record.l0, 0) / records.length;
  return Math.log(Math.max(l0 / targetL0, 0.01));
}

/**
 * The λ with which a run with a target L0 starts, from the loss of the mean, the only scale that is known
 * then. With σ² = E‖x − x̄‖² a sample that K latents reconstruct has activations of about σ/√K each.
 * - relu: the sparsity loss of such a sample, λ · √K · σ, is 0.6 times the loss of the mean;
 * - jumprelu: λ · K is 0.1 times the loss of the mean.
 *
 * @param meanLoss The loss of the mean on the first batch.
 */
export function startingCoefficient(
  { architecture, lossNormalization, targetL0 }: Settings,
  dModel: number,
  meanLoss: number,
): number {
  // A batch of equal samples says nothing.
  if (meanLoss === 0) return 1e-3;
  const { start } = architectureOf(architecture).sparsity!;
  return start({ targetL0: targetL0!, lossNormalization, dModel, meanLoss });
}
