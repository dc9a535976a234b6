import { join } from "@std/path";
import {
  collectTopExamples,
  type Device,
  evaluateOnTexts,
  readDocuments,
  type Sae,
  type StepRecord,
  trainingReport,
  type TrainingWarning,
} from "../mod.ts";
import type { ActivationSource } from "./activation_source.ts";
import type { Arguments } from "./arguments.ts";
import { evaluationTable, shortEvaluation } from "./describe.ts";
import type { Output } from "./output.ts";
import { evaluationProgress } from "./progress.ts";
import type { RunFolder } from "./run_folder.ts";

/** A training run that is done. */
export interface TrainedRun {
  /** The command's options. */
  options: Arguments;
  /** Where results go. */
  run: RunFolder;
  /** Where text goes. */
  output: Output;
  /** What was learned. */
  sae: Sae;
  /** What each step did. */
  history: StepRecord[];
  /** How long it took. */
  trainSeconds: number;
  /** Settings that the report shows beside the SAE's own. */
  settings: Record<string, unknown>;
  /** Ends the measuring; its reason is thrown. */
  signal: AbortSignal;
}

/**
 * Measures a run's SAE on its `--eval-text`, where it has one: evaluation.json, report.html and a
 * table. Gives what machines read of it.
 */
export async function measureRun(
  gpu: Device,
  source: ActivationSource,
  { options, run, output, sae, history, trainSeconds, settings, signal }: TrainedRun,
): Promise<Record<string, unknown>> {
  if (options.texts("eval-text").length === 0) return {};
  const { contextLength, skipPositions, normLimit } = source;
  const started = performance.now();
  const model = await source.openModel();
  const { tokenRows, evaluation, crossEntropy } = await evaluateOnTexts(
    gpu,
    model,
    sae,
    () => readDocuments(options.texts("eval-text"), { field: options.text("field") }),
    {
      ...{ contextLength, skipPositions, normLimit, signal },
      maxRows: options.number("eval-rows") ?? 64,
      onProgress: evaluationProgress(output),
    },
  );
  await run.writeJson("evaluation.json", { ...evaluation, crossEntropy, normLimit });
  const latents = await collectTopExamples(gpu, model, sae, tokenRows, {
    skipPositions,
    normLimit,
    density: evaluation.density,
    signal,
  });
  const report = await trainingReport({
    title: `${model.id} · ${model.hook}`,
    date: new Date().toISOString().slice(0, 10),
    device: gpu.name,
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
  await run.write({ "report.html": report });
  output.say(evaluationTable(evaluation, crossEntropy, sae.dictSize));
  output.say(`report: ${join(run.path, "report.html")}`);
  return { evaluation: shortEvaluation(evaluation), crossEntropy };
}
