import type { StepRecord } from "./step_record.ts";

/** A loss that still falls by more than this, from one tenth of the steps to the next, has not converged. */
export const CONVERGED = -0.03;

// Fewer steps have no tenths to compare.
const FEWEST = 20;

/**
 * How much the loss still moved when training ended: relative change of the mean reconstruction loss
 * from the second-to-last tenth of the steps to the last. −0.05: it fell by 5 % from one to the other.
 *
 * A learning rate that falls to 0 lowers the loss of every run, by 6 % of one that had come to rest, and
 * lets one rest that had not. The steps in which it falls are left out, unless they are most of the run
 * or leave fewer than 20.
 *
 * @param history One record per step, from the first.
 * @param schedule The run's steps, and the last of them in which the learning rate falls.
 * @returns The change; undefined for fewer than 20 steps, and where the loss was 0.
 */
export function lossChange(
  history: readonly Pick<StepRecord, "reconstructionLoss">[],
  { steps = 0, decaySteps = 0 }: { steps?: number; decaySteps?: number } = {},
): number | undefined {
  const before = steps - decaySteps;
  const leftOut = decaySteps <= steps / 2 && before >= FEWEST;
  return changeOf(leftOut ? history.slice(0, before) : history);
}

function changeOf(
  history: readonly Pick<StepRecord, "reconstructionLoss">[],
): number | undefined {
  if (history.length < FEWEST) return undefined;
  const tenth = Math.floor(history.length / 10);
  const mean = (from: number, to?: number) =>
    history.slice(from, to).reduce((sum, { reconstructionLoss }) => sum + reconstructionLoss, 0) /
    tenth;
  const before = mean(-2 * tenth, -tenth);
  return before > 0 ? mean(-tenth) / before - 1 : undefined;
}
