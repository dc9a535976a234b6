import { join } from "@std/path";
import { completeOptions } from "../lib/training/complete_options.ts";
import { loadCheckpoint, loadSae, type NormLimit, recordedNormLimit } from "../mod.ts";
import { checkSourceOptions, openActivationSource } from "./activation_source.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { checkEvalText, inputPaths } from "./check_inputs.ts";
import { checkWhole } from "./check_whole.ts";
import { type Command, UsageError } from "./command.ts";
import { openCommandDevice } from "./device.ts";
import { onLastingGpu } from "./lasting_gpu.ts";
import { checkSameLimit } from "./norm_limit.ts";
import { createOutput } from "./output.ts";
import { describePreset, PRESET_HELP, withPreset } from "./preset_options.ts";
import { openRunFolder, readRunOptions } from "./run_folder.ts";
import { trainAndMeasure } from "./train_and_measure.ts";
import {
  ARCHITECTURE_NAMES,
  missingOption,
  OWN_HELP,
  TRAINING_OPTIONS,
  trainingOptions,
} from "./training_options.ts";

const HELP = `Trains an SAE on a language model's activations.

Usage
  saewing train --model MODEL --hook HOOK --text FILES --dict-size M --k K [options]
  saewing train --activations FOLDER --dict-size M --k K [options]
  saewing train --resume RUN_FOLDER

What it reads
  --activations FOLDER   what \`saewing harvest\` wrote, in place of model, hook and text
  --model ID          folder with config.json, tokenizer.json and onnx/, or a Hugging Face id
  --hook NAME         where in the model, such as blocks.8.hook_resid_pre
  --text FILES        .txt, .jsonl, .csv (also .gz): file, folder or glob; may be repeated
  --field NAME        field or column that holds the text (default: text)
  --context N         tokens a row, BOS included (default: 128 or what the model takes)
  --include-bos       train and measure on the BOS position too
  --max-norm-multiple N   leaves out what exceeds N times the median norm (default 10, none: no
                      limit), measured on the first 4096 activations; a store's own, if it has one
  --dtype NAME        weights of the model: fp32 (default), fp16, q8, q4 …
  --revision NAME, --cache-dir FOLDER   of a model on the hub

What it trains
  --preset NAME       sets the options of one of those below; others override it
  --architecture NAME ${ARCHITECTURE_NAMES} (default batchtopk)
  --dict-size M       number of latents
${OWN_HELP}
  --loss-normalization KIND   none (default) or input_deviation
  --input-normalization KIND   expected_average_only_in (default: samples scaled to a mean
                      norm of √d), none, layer_norm or constant_norm_rescale; undone on output
  --input-scale X     expected_average_only_in: its factor (default: from the first batch)
  --epochs N          how often everything is read (default 1, or as often as --steps needs)
  --steps N           default: until the epochs end
  --batch-size N      activations a step (default 2048)
  --buffer N          activations that the shuffle holds back (default: 64 batches)
  --lr X              Adam's learning rate (default 1.2e-2 · √(512/m) · ∛(400/steps))
  --warmup-steps N    over which it rises from 0 (default 0)
  --decay-steps N     last steps over which it falls to 0 (default: a fifth of --steps)
  --beta1 X, --beta2 X, --epsilon X   Adam's other settings (0.9, 0.99, 1e-8)
  --gradient-clip X   largest norm of all gradients together (default 0: any)
  --aux-k N, --dead-after N   of the auxiliary loss (512, 5)
  --threshold-batches N   batches after the last step that the inference
                      threshold is measured on (default 32)
  --init-bdec KIND    decoder bias starts at the mean of the first batch (mean, default) or zero
  --initial FOLDER    an SAE to start from
  --seed N            of weights and shuffling (default 0)

What it writes
  --out FOLDER        run folder (default runs/train-<date>): sae/, config.json, metrics.jsonl,
                      metrics.csv, and with --eval-text evaluation.json and report.html
  --checkpoint-every N   steps between two checkpoints in the run folder (default 500, 0: none)
  --resume RUN_FOLDER goes on from the last checkpoint with the options of that run, and ends with
                      the bits of a run never stopped; --steps may be raised before the learning
                      rate falls (--decay-steps). Paths that were not absolute are taken from
                      the folder you are in
  --overwrite         start anew in a folder that holds a run, finished or not: its files are removed,
                      those of others stay
  --eval-text FILES   held-out text to measure on; may be repeated
  --eval-rows N       most rows of it (default 64)
  --device KIND       auto (default), gpu, cpu or software; also SAEWING_DEVICE
  --json              one JSON object a line instead of text

Presets
${PRESET_HELP}

Examples
  saewing train --preset demo --text 'corpus/*.txt' --k 8
  saewing train --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre \\
    --text 'corpus/*.txt' --dict-size 1024 --k 16 --steps 1000 --lr 1e-3
  saewing train --model Xenova/gpt2 --hook blocks.8.hook_resid_pre --text pile.jsonl.gz \\
    --dict-size 24576 --k 32 --batch-size 4096 --out runs/gpt2-24k --eval-text held-out.jsonl
  saewing train --activations activations/gpt2-8 --dict-size 24576 --k 32 --epochs 2
  saewing train --resume runs/gpt2-24k
`;

const VALUES = [
  ...TRAINING_OPTIONS,
  ...["preset", "activations", "model", "hook", "text", "field", "context", "dtype", "revision"],
  ...[
    "max-norm-multiple",
    "cache-dir",
    "epochs",
    "batch-size",
    "buffer",
    "initial",
    "out",
    "checkpoint-every",
  ],
  ...["resume", "eval-text", "eval-rows", "device"],
];
const FLAGS = ["include-bos", "overwrite", "json"];

/** Options of one call only: a run that is resumed does not have them from before. */
const ONCE = ["out", "resume", "overwrite", "json"];

/** `saewing train`. */
export const train: Command = {
  summary: "train an SAE on a language model's activations",
  help: HELP,
  async run(args) {
    const { options, resumed, preset } = readOptions(args);
    const missing = missingOption(
      options.text("architecture") ?? "batchtopk",
      (name) => options.text(name) !== undefined,
      options.text("initial") !== undefined,
    );
    if (missing) throw new UsageError(missing);
    const recorded = await checkTraining(options, resumed);
    const output = createOutput(options.flag("json"));
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
    const open = () => openCommandDevice(options.text("device"));
    await using source = await openActivationSource(options, recorded);
    for (const name of ["text", "eval-text"]) {
      if (options.texts(name).length === 0) continue;
      await checkEvalText(options, await source.openModel(), source.contextLength, name);
    }
    return await onLastingGpu({ open, steps, say: output.say }, (gpu) => {
      output.say(`${source.model} at ${source.hook}, d = ${source.dModel}, on ${gpu.name}`);
      return trainAndMeasure(gpu, source, { options, kept, run, output });
    });
  },
};

/** The options, those of the run that is resumed included. */
function readOptions(
  args: string[],
): { options: Arguments; resumed?: string; preset?: string } {
  const names = { values: VALUES, flags: FLAGS };
  const given = parseArguments(args, names);
  const resumed = given.text("resume");
  const other = ["out", "overwrite", "preset"].find((name) => given.given[name]);
  if (resumed !== undefined && other) throw new UsageError(`--${other} does not go with --resume`);
  const options = resumed === undefined
    ? withPreset(given, names)
    : parseArguments(args, names, readRunOptions(resumed, names));
  if (options.positional.length > 0) {
    throw new UsageError(`unexpected argument ${options.positional[0]}`);
  }
  checkSourceOptions(options);
  checkWhole(options, ["epochs", "batch-size", "eval-rows"], 1);
  checkWhole(options, ["checkpoint-every"], 0);
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
