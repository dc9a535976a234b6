import { checkMeanK, checkNumber } from "../check_numbers.ts";
import type { Descriptor } from "./descriptor.ts";
import type { LargestOptions } from "./own_options.ts";
import { LARGEST, LARGEST_OPTIONS } from "./largest.ts";

/**
 * BatchTopK: the n·k largest pre-activations of a batch (Eq. 7); afterwards what is above the mean of the
 * smallest that batches kept (Eq. 8), so that a sample does not depend on others.
 */
export const batchtopk: Descriptor<LargestOptions> = {
  ...LARGEST,
  summary: "the n·k largest of a batch of n",
  k: "mean",
  threshold: "measured",
  // SAELens keeps one that is done training as a jumprelu with a constant threshold.
  saeLens: { saved: "jumprelu", read: ["batchtopk"] },
  options: LARGEST_OPTIONS,
  check({ k, auxCoefficient, dictSize }) {
    checkMeanK(k!, dictSize);
    checkNumber(auxCoefficient!, 0, "auxCoefficient");
  },
  rule: ({ k }, { rows }) => ({ by: "batch", wanted: keptOfBatch(rows, k!) }),
};

/** How many pre-activations of a batch a k keeps that may be a fraction: rounded down, as SAELens does. */
export function keptOfBatch(rows: number, k: number): number {
  return Math.max(1, Math.floor(rows * k));
}
