import type { Descriptor } from "./descriptor.ts";
import type { PenalizedOptions } from "./own_options.ts";
import { checkPenalized, PENALIZED, PENALIZED_OPTIONS } from "./penalized.ts";

/** ReLU: all positive pre-activations; their mean sum, times λ, is a part of the loss (L1). */
export const relu: Descriptor<PenalizedOptions> = {
  ...PENALIZED,
  summary: "all that are positive",
  threshold: "zero",
  saeLens: { saved: "standard", read: ["standard"] },
  options: PENALIZED_OPTIONS,
  check: (settings) => checkPenalized("relu", settings),
  sparsity: {
    penalty: "sum",
    gains: { integral: 0.2, proportional: 1 },
    startAbove: 1,
    start({ targetL0, lossNormalization, dModel, meanLoss }) {
      const sigma = lossNormalization === "none" ? Math.sqrt(meanLoss * dModel) : meanLoss * dModel;
      return 0.6 * meanLoss / (sigma * Math.sqrt(targetL0));
    },
  },
};
