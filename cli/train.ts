import { join } from "@std/path";
import { completeOptions } from "../lib/training/complete_options.ts";
import { loadCheckpoint, loadSae, type NormLimit } from "../mod.ts";
import { recordedNormLimit } from "../lib/activations/mod.ts";
import { checkSameLimit, checkSourceOptions, openActivationSource } from "./activation_source.ts";
import { checkEvalText, inputPaths } from "./check_inputs.ts";
import { type Command, UsageError } from "./command.ts";
import { onLastingGpu, openCommandDevice } from "./open.ts";
import {
  type Arguments,
  checkOptions,
  helpOf,
  namesOf,
  type OptionTable,
  shared,
} from "./options.ts";
import { openRunFolder, readRunOptions } from "./run_folder.ts";
import { trainAndMeasure } from "./train_and_measure.ts";
import {
  describePreset,
  missingOption,
  PRESET_HELP,
  READING,
  TRAINING,
  trainingOptions,
  withPreset,
} from "./training_options.ts";

const OPTIONS: OptionTable = [
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
        "goes on from the last checkpoint with the options of that run, and ends with the bits of a run never stopped; --steps may be raised before the learning rate falls (--decay-steps). Paths that were not absolute are taken from the folder you are in",
    },
    shared(
      "overwrite",
      "starts anew in a folder that holds a run, finished or not: its files are removed, those of others stay",
    ),
    shared("eval-text"),
    shared("eval-rows"),
    shared("device"),
    shared("quiet"),
    shared("json"),
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

/** Options of one call only: a run that is resumed does not have them from before. */
const ONCE = ["out", "resume", "overwrite", "json"];

/** `saewing train`. */
export const train: Command = {
  summary: "train an SAE on a language model's activations",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { output, io, signal } = session;
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
    await using source = await openActivationSource(options, output, recorded, signal);
    for (const name of ["text", "eval-text"]) {
      if (options.texts(name).length === 0) continue;
      await checkEvalText(options, await source.openModel(), source.contextLength, name);
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
    : given.withDefaults(readRunOptions(resumed, namesOf(OPTIONS)));
  checkOptions(options, OPTIONS);
  checkSourceOptions(options);
  return { options, resumed, preset: describePreset(given) };
}

/**
 * Refuses what cannot be trained before a run folder, a model or a GPU is opened. Gives which activations
 * the run that goes on, or the SAE that it starts from, leaves out as massive.
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
  // Runs from before there was a limit go on without.
  const recorded = recordedNormLimit(resume.sae) ?? "none";
  checkSameLimit(options, recorded, `the run that goes on, ${resumed}`);
  return recorded;
}
