import { join } from "@std/path";
import { checkMemory } from "../lib/training/check_memory.ts";
import { completeOptions } from "../lib/training/complete_options.ts";
import { collectTopExamples } from "../lib/interpretation/mod.ts";
import {
  type Device,
  evaluateOnTexts,
  loadSae,
  NonFiniteError,
  readDocuments,
  type Sae,
  saveCheckpoint,
  type StepRecord,
  trainSae,
} from "../mod.ts";
import { firstBatchToResume, type TrainingWarning } from "../lib/training/mod.ts";
import { trainingReport } from "../lib/report/mod.ts";
import { type ActivationSource, describeLeftOut, sourceMetadata } from "./activation_source.ts";
import { checkDisk } from "./check_inputs.ts";
import type { Session } from "./command.ts";
import {
  describeTraining,
  describeWarning,
  evaluationProgress,
  evaluationTable,
  shortEvaluation,
} from "./describe.ts";
import type { Arguments, GivenOptions } from "./options.ts";
import type { Output } from "./output.ts";
import { formatSeconds } from "../lib/report/format_number.ts";
import type { RunFolder } from "./run_folder.ts";
import { trainingOptions } from "./training_options.ts";

// A checkpoint of 24,576 latents at d = 768 is 450 MB: every 500 steps it costs a few percent.
const CHECKPOINT_EVERY = 500;

/** What a run of `saewing train` has beside its GPU and its activations. */
export interface TrainRun {
  /** The command's options. */
  options: Arguments;
  /** Those of them from which the run can be resumed. */
  kept: GivenOptions;
  /** Where results go. */
  run: RunFolder;
}

/**
 * Trains from the run's last checkpoint, or from the beginning where there is none, and measures what
 * was learned.
 */
export async function trainAndMeasure(
  gpu: Device,
  source: ActivationSource,
  { options, kept, run }: TrainRun,
  { output, signal, leaves }: Session,
): Promise<void> {
  const { contextLength, skipPositions, normLimit } = source;
  const resume = await run.loadCheckpoint();
  const initialFolder = options.text("initial");
  const initial = initialFolder && !resume ? await loadSae(initialFolder) : undefined;
  const steps = options.number("steps");
  const seed = options.number("seed") ?? 0;
  const batchSize = options.number("batch-size") ?? 2048;
  const every = options.number("checkpoint-every") ?? CHECKPOINT_EVERY;
  const settings = { ...trainingOptions(options.text), seed };
  const full = completeOptions({ ...settings, initial, resume });
  checkMemory(gpu, full, { rows: batchSize, cols: source.dModel });
  const { dictSize } = full;
  await checkDisk(run.path, [{ dModel: source.dModel, dictSize }], every > 0);
  const metadata = sourceMetadata(source);
  // Without a number of steps everything is read once, else as often as the steps need.
  const epochs = options.number("epochs") ?? (steps === undefined ? 1 : Infinity);
  const config = {
    ...settings,
    batchSize,
    epochs: options.number("epochs"),
    activations: options.text("activations"),
    ...metadata,
    skipPositions,
    options: kept,
  };
  // Options that do not fit the checkpoint must not stay: they are kept with the next one.
  let written = false;
  const keepOptions = async () => {
    if (written) return;
    await run.start();
    await run.writeJson("config.json", config);
    written = true;
  };
  if (!resume) await keepOptions();
  await run.startMetrics(resume?.history ?? []);
  if (resume) output.say(`going on after step ${resume.steps}`);

  const folder = join(run.path, "sae");
  leaves({ text: "before the first step" });
  try {
    const startBatch = source.startsAnywhere && resume ? firstBatchToResume(resume, steps) : 0;
    const batches = source.batches({ batchSize, epochs, seed, startBatch, signal });
    const started = performance.now();
    const first = resume?.history.at(-1);
    const { sae, history } = await trainSae(gpu, batches, {
      ...settings,
      initial,
      metadata,
      resume,
      startBatch,
      checkpoint: every === 0 ? undefined : {
        every,
        async save(checkpoint) {
          await keepOptions();
          await saveCheckpoint(checkpoint, run.checkpoint);
        },
      },
      signal,
      onWarning: (warning) => output.warn(describeWarning(warning), { ...warning }),
      onProgress(records) {
        run.addMetrics(records);
        const last = records[records.length - 1];
        output.progress({ phase: "training", done: last.step, total: steps }, {
          details: describeTraining(last, steps, started, dictSize, first),
          data: { ...last },
        });
      },
    });
    const trainSeconds = (performance.now() - started) / 1000;
    await keepOptions();
    await run.saveSae(sae);
    await run.writeMetricsTable(history);
    const taken = history.length;
    const last = history.at(-1)!;
    const rate = Math.round((last.samples - (first?.samples ?? 0)) / trainSeconds);
    output.say(
      `${taken} steps${resume ? `, ${taken - resume.steps} of them` : ""} ` +
        `in ${formatSeconds(trainSeconds)} (${rate} tokens/s); SAE saved in ${folder}`,
    );
    const read = source.leftOut();
    const massive = describeLeftOut(normLimit, read);
    if (massive) output.say(massive);
    const result = { folder: run.path, sae: folder, steps: taken, last };
    leaves({
      text: every === 0
        ? `\`--initial ${folder}\` starts from what was learned so far`
        : `\`saewing train --resume ${run.path}\` continues`,
      data: result,
    });
    signal.throwIfAborted();
    const goOn = every === 0 ? `eval ${folder}` : `train --resume ${run.path}`;
    leaves({
      text: `the SAE is saved in ${folder}, \`saewing ${goOn}\` measures it`,
      data: result,
    });
    // What is saved is measured: an input's scale was folded into the weights, which rounds them.
    const measures = await measureRun(gpu, source, {
      ...{ options, run, output, sae: await loadSae(folder), history, trainSeconds },
      settings: { batchSize, contextLength },
      signal,
    });
    await run.writeJson("config.json", { ...config, activationsRead: read, finished: true });
    await run.finish();
    output.result({ ...result, ...measures });
  } catch (error) {
    if (!(error instanceof NonFiniteError) || !error.sae) throw error;
    await keepOptions();
    await run.saveSae(error.sae);
    throw new Error(
      `${error.message}. What was learned before is saved: \`--initial ${folder}\` starts from it`,
      { cause: error },
    );
  }
}

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
