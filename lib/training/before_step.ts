import type { Matrix } from "../matrix.ts";
import { normalizeInput } from "../sae/normalize_input.ts";
import type { Sae } from "../sae/sae.ts";
import { hasMeanLoss, meanLoss } from "./mean_loss.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { StepRecord } from "./step_record.ts";
import type { Settings } from "./options.ts";
import { sparsityShareAt } from "./schedule.ts";
import { isSteered, startingCoefficient, steeredCoefficient } from "./steer_sparsity.ts";

/** What of a step's record is known before it runs. */
export type KnownOfStep = Pick<StepRecord, "sparsityCoefficient" | "meanLoss">;

/**
 * The loss of the mean, where the step has one, and λ where there is a sparsity loss.
 *
 * @param sae How the input is normalised.
 * @param given The step's batch; the records so far, of all steps before where λ is steered at this one;
 * what was known of the step before.
 */
export function beforeStep(
  step: number,
  settings: Settings,
  sae: Sae,
  { batch, history, before }: {
    batch: Matrix;
    history: readonly StepRecord[];
    before: KnownOfStep | undefined;
  },
): KnownOfStep {
  const { architecture, lossNormalization, sparsityCoefficient, targetL0 } = settings;
  const known: KnownOfStep = {};
  if (architectureOf(architecture).sparsity) {
    known.sparsityCoefficient = targetL0 === undefined
      ? sparsityCoefficient * sparsityShareAt(step, settings)
      : isSteered(settings, step)
      ? steeredCoefficient(history, settings)
      : before?.sparsityCoefficient;
  }
  if (hasMeanLoss(step)) {
    known.meanLoss = meanLoss(normalizeInput(sae, batch).x, lossNormalization);
    if (targetL0 !== undefined && step === 1) {
      known.sparsityCoefficient = startingCoefficient(settings, batch.cols, known.meanLoss);
    }
  }
  return known;
}
