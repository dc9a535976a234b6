import type { Descriptor } from "./descriptor.ts";
import { LARGEST, LARGEST_OPTIONS, type LargestOptions } from "./largest.ts";

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
  rule: ({ k }, { rows }) => ({ by: "batch", wanted: rows * k! }),
};
