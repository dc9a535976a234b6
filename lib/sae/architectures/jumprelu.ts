import { checkNumber, checkPositive } from "../check_numbers.ts";
import type { Descriptor } from "./descriptor.ts";
import type { JumpReluOptions } from "./own_options.ts";
import { checkPenalized, PENALIZED, PENALIZED_OPTIONS } from "./penalized.ts";

/**
 * JumpReLU: all pre-activations above a threshold θ per latent, which is trained as log θ; their mean
 * number, times λ, is a part of the loss (L0).
 */
export const jumprelu: Descriptor<JumpReluOptions> = {
  ...PENALIZED,
  summary: "all above a learned threshold per latent",
  threshold: "learned",
  // What a gated SAE is beside its weights: see formats/gated_encoder.ts.
  saeLens: { saved: "jumprelu", read: ["jumprelu", "gated"] },
  options: {
    ...PENALIZED_OPTIONS,
    bandwidth: {
      flag: "bandwidth",
      value: "X",
      help: "of the window around a threshold in which its gradient is made (default 0.2)",
    },
    initialThreshold: {
      flag: "initial-threshold",
      value: "X",
      help: "of every latent (default 0.5, or what --target-l0 needs)",
    },
    thresholdLearningRate: {
      flag: "threshold-lr",
      value: "X",
      help: "learning rate of log thresholds (default --lr; 0.005 with --target-l0)",
    },
  },
  defaults: (options) => ({
    ...PENALIZED.defaults(options),
    bandwidth: options.bandwidth ?? 0.2,
    initialThreshold: options.initialThreshold,
    thresholdLearningRate: options.thresholdLearningRate,
  }),
  check(settings) {
    checkPenalized("jumprelu", settings);
    const { thresholdLearningRate, bandwidth, initialThreshold, initial } = settings;
    if (thresholdLearningRate !== undefined) {
      checkNumber(thresholdLearningRate, 0, "thresholdLearningRate");
    }
    checkPositive(bandwidth!, "bandwidth");
    if (initialThreshold !== undefined) checkPositive(initialThreshold, "initialThreshold");
    // Its logarithm is what is trained.
    else initial?.threshold?.forEach((value, i) => checkPositive(value, `initial.threshold[${i}]`));
  },
  describe: (settings) => ({
    ...PENALIZED.describe(settings),
    bandwidth: settings.bandwidth,
    ...(settings.thresholdLearningRate === undefined
      ? {}
      : { thresholdLearningRate: settings.thresholdLearningRate }),
  }),
  sparsity: {
    penalty: "count",
    // Thresholds respond later than biases, and need more damping.
    gains: { integral: 0.6, proportional: 6 },
    // In the first 25 steps L0 falls by a third, before λ or the thresholds have moved.
    startAbove: 1.3,
    start: ({ targetL0, meanLoss }) => 0.1 * meanLoss / targetL0,
  },
};
