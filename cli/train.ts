import { join } from "@std/path";
import { type ActivationSource, sourceMetadata } from "../lib/activations/activation_source.ts";
import { formatSeconds } from "../lib/format_number.ts";
import { reportTraining, type ReportTrainingOptions } from "../lib/report/mod.ts";
import { recordedNormLimit } from "../lib/sae/norm_limit.ts";
import { missingOption, trainingOptions } from "../lib/sweep/option_texts.ts";
import { checkMemory } from "../lib/training/check_memory.ts";
import { checkTrainOptions, completeOptions } from "../lib/training/complete_options.ts";
import { firstBatchToResume } from "../lib/training/mod.ts";
import {
  type Device,
  loadCheckpoint,
  loadSae,
  NonFiniteError,
  type NormLimit,
  saveCheckpoint,
  trainSae,
} from "../mod.ts";
import type { Command, Session } from "./command.ts";
import {
  describeLeftOut,
  describeTraining,
  describeWarning,
  evaluationProgress,
  evaluationTable,
  shortEvaluation,
} from "./describe.ts";
import { checkSpace, inputPaths, onLastingGpu, openCommandDevice, saeOptions } from "./open.ts";
import { UsageError } from "./io.ts";
import {
  type Arguments,
  checkOptions,
  givenBefore,
  type GivenOptions,
  group,
  helpOf,
  type Options,
  shared,
} from "./options.ts";
import { openRunFolder, readRunOptions, type RunFolder } from "../lib/formats/run_folder.ts";
import {
  checkEvalText,
  checkSameLimit,
  checkSourceOptions,
  documentsOf,
  openActivationSource,
} from "./source.ts";
import { describePreset, PRESET_HELP, READING, TRAINING, withPreset } from "./training_options.ts";

const OPTIONS: Options = [
  ["What it reads", [
    ...READING,
  ]],
  ["What it trains", [
    shared("preset", "sets the options of one of those below; others override it"),
    ...TRAINING,
    shared("epochs"),
    shared("batch-size"),
    shared("buffer"),
    { name: "initial", value: "FOLDER", help: "an SAE to start from" },
  ]],
  ["What it writes", [
    shared(
      "out",
      "run folder (default runs/train-<date>): sae/, config.json, metrics.jsonl, metrics.csv, and with --eval-text evaluation.json and report.html",
    ),
    shared("checkpoint-every"),
    {
      name: "resume",
      value: "RUN_FOLDER",
      help:
        "continues from the last checkpoint with the options of that run, and ends with the bits of a run never stopped; --steps may be raised before the learning rate falls (--decay-steps). Paths that were not absolute are taken from the folder you are in",
    },
    shared(
      "overwrite",
      "starts over in a folder that holds a run, finished or not: its files are removed, those of others stay",
    ),
    shared("eval-text"),
    shared("eval-rows"),
    ...group("last"),
  ]],
];

const HELP = helpOf(
  `Trains an SAE on a language model's activations.

Usage
  saewing train --model MODEL --hook HOOK --text FILES --dict-size M --k K [options]
  saewing train --activations FOLDER --dict-size M --k K [options]
  saewing train --resume RUN_FOLDER`,
  OPTIONS,
  `Presets
${PRESET_HELP}

Examples
  saewing train --preset demo --text 'corpus/*.txt' --k 8
  saewing train --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre \\
    --text 'corpus/*.txt' --dict-size 1024 --k 16 --steps 1000 --lr 1e-3
  saewing train --model Xenova/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --dict-size 24576 --k 32 --batch-size 4096 --out runs/gpt2-24k --eval-text held-out.jsonl
  saewing train --activations activations/gpt2-8 --dict-size 24576 --k 32 --epochs 2
  saewing train --resume runs/gpt2-24k`,
);

/** Options of one call only: a resumed run does not inherit them. */
const ONCE = ["out", "resume", "overwrite", "json"];

/** `saewing train`. */
export const train: Command = {
  summary: "train an SAE on a language model's activations",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { output, io } = session;
    const { options, resumed, preset } = readOptions(given);
    const missing = missingOption(
      options.text("architecture") ?? "batchtopk",
      (name) => options.text(name) !== undefined,
      options.text("initial") !== undefined,
    );
    if (missing) throw new UsageError(missing);
    const recorded = await checkTraining(options, resumed);
    if (preset) output.say(preset);
    const kept = Object.fromEntries(
      Object.entries(options.given).filter(([name]) => !ONCE.includes(name)),
    );
    using run = await openRunFolder(resumed ?? options.text("out"), {
      resumed: resumed !== undefined,
      overwrite: options.flag("overwrite"),
      options: kept,
      inputs: inputPaths(options),
    });
    const steps = async () => (await run.loadCheckpoint())?.steps ?? 0;
    const open = () => openCommandDevice(options, io);
    await using source = await openActivationSource(options, session, recorded, {
      besideTrainer: true,
    });
    for (const name of ["text", "eval-text"]) {
      if (options.texts(name).length === 0) continue;
      await checkEvalText(options, await source.openModel(), source, name);
    }
    await onLastingGpu({ open, steps, say: output.say }, (gpu) => {
      output.say(`${source.model} at ${source.hook}, d = ${source.dModel}, on ${gpu.name}`);
      return trainAndMeasure(gpu, source, { options, kept, run }, session);
    });
  },
};

/** The options, those of the run that is resumed included. */
function readOptions(
  given: Arguments,
): { options: Arguments; resumed?: string; preset?: string } {
  const resumed = given.text("resume");
  const other = ["out", "overwrite", "preset"].find((name) => given.given[name]);
  if (resumed !== undefined && other) throw new UsageError(`--${other} does not go with --resume`);
  const options = resumed === undefined
    ? withPreset(given)
    : given.withDefaults(givenBefore(readRunOptions(resumed), OPTIONS, resumed));
  checkOptions(options, OPTIONS);
  checkSourceOptions(options);
  return { options, resumed, preset: describePreset(given) };
}

/**
 * Refuses what cannot be trained before a run folder, a model or a GPU is opened. Returns the norm
 * limit of the resumed run, or of the SAE that training starts from.
 */
async function checkTraining(
  options: Arguments,
  resumed: string | undefined,
): Promise<NormLimit | "none" | undefined> {
  const resume = resumed && await loadCheckpoint(join(resumed, "checkpoint")) || undefined;
  const folder = options.text("initial");
  const initial = folder && !resume ? await loadSae(folder) : undefined;
  completeOptions({ ...trainingOptions(options.text), initial, resume });
  if (!resume) return initial && recordedNormLimit(initial);
  // Runs from before there was a limit continue without one.
  const recorded = recordedNormLimit(resume.sae) ?? "none";
  checkSameLimit(options, recorded, `the run that continues, ${resumed}`);
  return recorded;
}

// A checkpoint of 24,576 latents at d = 768 is 450 MB: every 500 steps it costs a few percent.
const CHECKPOINT_EVERY = 500;

/**
 * Trains from the run's last checkpoint, or from the beginning where there is none, and measures what
 * was learned.
 */
async function trainAndMeasure(
  gpu: Device,
  source: ActivationSource,
  { options, kept, run }: { options: Arguments; kept: GivenOptions; run: RunFolder },
  session: Session,
): Promise<void> {
  const { output, signal, leaves } = session;
  const { contextLength, skipPositions, normLimit } = source;
  const resume = await run.loadCheckpoint();
  const initialFolder = options.text("initial");
  // --input-scale is an option of training here.
  const { inputScale: _, ...own } = saeOptions(initialFolder ?? "", options, output);
  const initial = initialFolder && !resume ? await loadSae(initialFolder, own) : undefined;
  const steps = options.number("steps");
  const seed = options.number("seed") ?? 0;
  const batchSize = options.number("batch-size") ?? 2048;
  const every = options.number("checkpoint-every") ?? CHECKPOINT_EVERY;
  const settings = { ...trainingOptions(options.text), seed };
  const full = completeOptions({ ...settings, initial, resume });
  checkMemory(gpu, full, { rows: batchSize, cols: source.dModel });
  const { dictSize } = full;
  await checkSpace(run.path, [{ dModel: source.dModel, dictSize }], every > 0);
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
  // Do not keep options that do not fit the checkpoint: they are saved with the next one.
  let written = false;
  const keepOptions = async () => {
    if (written) return;
    await run.start();
    await run.writeJson("config.json", config);
    written = true;
  };
  if (!resume) await keepOptions();
  await run.startMetrics(resume?.history ?? []);
  if (resume) output.say(`continuing after step ${resume.steps}`);

  const folder = join(run.path, "sae");
  leaves({ text: "before the first step" });
  try {
    const startBatch = source.startsAnywhere && resume ? firstBatchToResume(resume, { steps }) : 0;
    const batches = source.batches({ batchSize, epochs, seed, startBatch, signal });
    const started = performance.now();
    const first = resume?.history.at(-1);
    const training = checkTrainOptions({
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
      onProgress({ records }) {
        run.addMetrics(records);
        const last = records[records.length - 1];
        output.progress({ phase: "training", done: last.step, total: steps }, {
          details: describeTraining(last, steps, started, dictSize, first),
          data: { ...last },
        });
      },
    });
    const { sae, history } = await trainSae(gpu, batches, training);
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
    // The saved SAE is measured: folding the input's scale into the weights rounds them.
    const measures = options.texts("eval-text").length === 0 ? {} : await measureRun(
      ...[gpu, source, options, run, session] as const,
      { history, trainSeconds, settings: { batchSize, contextLength } },
    );
    await run.writeJson("config.json", { ...config, activationsRead: read, finished: true });
    await run.finish();
    output.result({ ...result, ...measures });
  } catch (error) {
    if (!(error instanceof NonFiniteError) || !error.sae) throw error;
    await keepOptions();
    await run.saveSae(error.sae);
    throw new Error(
      `${error.message}. The SAE so far is saved: \`--initial ${folder}\` starts from it`,
      { cause: error },
    );
  }
}

/**
 * Measures the run's SAE as it is saved (an input's scale was folded into the weights, which rounds them)
 * on `--eval-text`: evaluation.json, report.html and a table. Returns the machine-readable result.
 */
async function measureRun(
  device: Device,
  source: ActivationSource,
  options: Arguments,
  run: RunFolder,
  { output, signal }: Session,
  trained: Pick<ReportTrainingOptions, "history" | "trainSeconds" | "settings">,
): Promise<Record<string, unknown>> {
  const { contextLength, skipPositions, normLimit } = source;
  const sae = await loadSae(join(run.path, "sae"));
  const texts = documentsOf(options, "eval-text");
  const model = await source.openModel();
  const { evaluation, crossEntropy, report } = await reportTraining(device, model, sae, texts, {
    ...trained,
    ...{ contextLength, skipPositions, normLimit, signal },
    date: new Date().toISOString().slice(0, 10),
    maxRows: options.number("eval-rows") ?? 64,
    onProgress: evaluationProgress(output),
  });
  await run.writeJson("evaluation.json", { ...evaluation, crossEntropy, normLimit });
  await run.write({ "report.html": report });
  output.say(evaluationTable(evaluation, crossEntropy, sae.dictSize));
  output.say(`report: ${join(run.path, "report.html")}`);
  return { evaluation: shortEvaluation(evaluation), crossEntropy };
}
