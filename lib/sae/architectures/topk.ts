import type { Descriptor } from "./descriptor.ts";
import type { LargestOptions } from "./own_options.ts";
import { LARGEST, LARGEST_OPTIONS } from "./largest.ts";

/** TopK: the k largest pre-activations of each sample (Eq. 9), in training and afterwards. */
export const topk: Descriptor<LargestOptions> = {
  ...LARGEST,
  summary: "the k largest of each sample",
  k: "whole",
  threshold: "none",
  saeLens: { saved: "topk", read: ["topk"] },
  options: LARGEST_OPTIONS,
  rule: ({ k }) => ({ by: "row", wanted: k! }),
};
