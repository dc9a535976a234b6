import type { Device } from "../device/device.ts";
import {
  evaluateOnTexts,
  type EvaluateOnTextsOptions,
  type TextEvaluation,
} from "../evaluation/evaluate_on_texts.ts";
import { collectTopExamples } from "../interpretation/top_examples.ts";
import type { LanguageModel } from "../language_model/open_language_model.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import type { Sae } from "../sae/sae.ts";
import type { StepRecord } from "../training/step_record.ts";
import type { TrainingWarning } from "../training/training_warnings.ts";
import { trainingReport } from "./training_report.ts";

/** Options of {@linkcode reportTraining}. */
export interface ReportTrainingOptions extends EvaluateOnTextsOptions {
  /** Records of the steps. */
  history: StepRecord[];
  /** When it ran, as the reader should see it. */
  date: string;
  /** Seconds that training took. */
  trainSeconds: number;
  /** Settings that the report shows beside the SAE's own. */
  settings?: Record<string, unknown>;
}

/**
 * Measures a trained SAE on held-out text, finds the contexts of some of its latents, and writes a report
 * on the run: one HTML page.
 *
 * @param texts The documents: a list, or a function that gives them.
 * @throws As `evaluateOnTexts` and `collectTopExamples` do.
 */
export async function reportTraining(
  device: Device,
  model: LanguageModel,
  sae: Sae,
  texts: Texts,
  { history, date, trainSeconds, settings = {}, ...how }: ReportTrainingOptions,
): Promise<TextEvaluation & { report: string }> {
  const started = performance.now();
  const { skipPositions, normLimit, signal, onProgress } = how;
  const measured = await evaluateOnTexts(device, model, sae, texts, how);
  const { tokenRows, evaluation, crossEntropy } = measured;
  const latents = await collectTopExamples(device, model, sae, tokenRows, {
    ...{ skipPositions, normLimit, signal },
    onProgress: (progress) => onProgress?.({ ...progress, phase: "contexts of latents" }),
  });
  const report = await trainingReport({
    title: `${model.id} · ${model.hook}`,
    date,
    device: device.name,
    model: { id: model.id, hook: model.hook, layers: model.layers },
    sae,
    settings: { ...(sae.metadata.training as Record<string, unknown>), ...settings, normLimit },
    history,
    warnings: (sae.metadata.warnings ?? []) as TrainingWarning[],
    evaluation,
    crossEntropy,
    latents,
    seconds: { training: trainSeconds, evaluation: (performance.now() - started) / 1000 },
  });
  return { ...measured, report };
}
