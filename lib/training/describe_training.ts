import { VERSION } from "../version.ts";
import { lossChange } from "./loss_change.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { StepRecord } from "./step_record.ts";
import type { Settings } from "./options.ts";
import { trainingWarnings } from "./training_warnings.ts";

/** How the run ended: `lossChange` where it is known, `warnings` where there are any. */
export function describeEnd(history: StepRecord[], settings: Settings): Record<string, unknown> {
  const warnings = trainingWarnings(history, settings, !settings.signal?.aborted);
  const change = lossChange(history, settings);
  return {
    ...(change === undefined ? {} : { lossChange: change }),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
}

/** What an SAE's metadata says of its training: version, steps, samples, options. */
export function describeTraining(
  settings: Settings,
  steps: number,
  samples: number,
): Record<string, unknown> {
  const { learningRate, beta1, beta2, epsilon, auxCoefficient, auxK, deadAfter } = settings;
  const options = { learningRate, beta1, beta2, epsilon, auxCoefficient, auxK, deadAfter };
  const { warmupSteps, decaySteps, thresholdBatches, seed } = settings;
  const more = { warmupSteps, decaySteps, thresholdBatches, seed };
  const own = architectureOf(settings.architecture).describe(settings);
  const { lossNormalization, gradientClip } = settings;
  const training = { ...options, ...more, ...own, lossNormalization, gradientClip };
  return { saewing: VERSION, steps, samples, training };
}
