import type { StepRecord } from "./options.ts";

/**
 * How much the loss still moved when training ended: relative change of the mean reconstruction loss
 * from the second-to-last tenth of the steps to the last. −0.05: it fell by 5 % from one to the other.
 *
 * @param history One record a step, from the first.
 * @returns The change; undefined for fewer than 20 steps, and where the loss was 0.
 */
export function lossChange(
  history: readonly Pick<StepRecord, "reconstructionLoss">[],
): number | undefined {
  if (history.length < 20) return undefined;
  const tenth = Math.floor(history.length / 10);
  const mean = (from: number, to?: number) =>
    history.slice(from, to).reduce((sum, { reconstructionLoss }) => sum + reconstructionLoss, 0) /
    tenth;
  const before = mean(-2 * tenth, -tenth);
  return before > 0 ? mean(-tenth) / before - 1 : undefined;
}
