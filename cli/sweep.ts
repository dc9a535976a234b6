import { join } from "@std/path";
import { recordedSweepLimit } from "../lib/formats/sweep_folder.ts";
import { sharedOptions } from "../lib/sweep/grid.ts";
import { type Device, evaluateSaesOnTexts, sweepFolder, sweepSaes } from "../mod.ts";
import { type SweepCell, SweepMismatchError, type SweepStore } from "../lib/sweep/mod.ts";
import { sweepFiles } from "../lib/report/mod.ts";
import { type ActivationSource, sourceMetadata } from "../lib/activations/activation_source.ts";
import type { Command } from "./command.ts";
import { describeWarning, evaluationProgress, type SweepDone, sweepProgress } from "./describe.ts";
import { checkSpace, inputPaths, openCommandDevice } from "./open.ts";
import {
  checkEvalText,
  checkSameLimit,
  checkSourceOptions,
  documentsOf,
  openActivationSource,
} from "./source.ts";
import { UsageError } from "./io.ts";
import { type Arguments, checkOptions, helpOf, type OptionTable, shared } from "./options.ts";
import type { Output } from "./output.ts";
import { openOutputFolder, type OutputFolder } from "../lib/formats/output_folder.ts";
import { cellFiles, type FoundRun, WORK } from "../lib/formats/run_files.ts";
import {
  describePreset,
  presetTexts,
  readGrid,
  READING,
  TRAINING,
  withPreset,
} from "./training_options.ts";

const OPTIONS: OptionTable = [
  [
    "The grid: each option takes several values, separated by commas (lists of numbers by semicolons);\nevery combination is an SAE",
    [
      ...TRAINING,
      shared(
        "preset",
        "sets the options of one of those that `saewing train --help` lists, all sizes and k of the paper included; others override it",
      ),
      {
        name: "grid",
        value: "FILE",
        help:
          'JSON with the same names, { "dict-size": [256, 512], "k": 8, … }, or a list of such grids',
      },
    ],
  ],
  ["What it reads", [
    ...READING,
    shared("epochs"),
    shared("batch-size"),
    shared("buffer"),
    {
      name: "shuffle-seed",
      value: "N",
      help: "seed of the activations' order, the same for all SAEs (default 0)",
    },
    shared("eval-text", undefined, { required: true }),
    shared("eval-rows"),
  ]],
  ["What it writes", [
    shared(
      "out",
      "default runs/sweep-<date>: a folder for each SAE (sae/, metrics.csv, cell.json), sweep.csv, table2.md, plots/ and sweep.html; equal_l0.csv where several kinds of SAEs are compared at equal measured L0",
    ),
    {
      name: "at-once",
      value: "N",
      help: "largest number of SAEs trained together (default: as many as memory holds)",
      least: 1,
    },
    shared(
      "checkpoint-every",
      "steps between two checkpoints of an SAE in training (default 500, 0: none)",
    ),
    shared(
      "overwrite",
      "starts over in a folder that holds a run: its files are removed, those of others stay",
    ),
    shared("device"),
    shared("quiet"),
    shared("json"),
  ]],
];

const HELP = helpOf(
  `Trains a grid of SAEs on one stream of activations, and measures and plots them.

Usage
  saewing sweep --model MODEL --hook HOOK --text FILES --eval-text FILES \\
    --dict-size M,M,… --k K,K,… [options]
  saewing sweep --activations FOLDER --eval-text FILES --grid FILE [options]`,
  OPTIONS,
  `Activations are computed once for all SAEs that are trained together, and each SAE has the bits that
\`saewing train\` gives it where --seed is --shuffle-seed. Run again with the same --out it continues
and ends with the same bits: after Ctrl-C from the step where it ended, after any other interruption
from the last checkpoint.

Examples
  saewing sweep --model examples/tiny-gpt2 --hook blocks.2.hook_resid_pre --text 'corpus/*.txt' \\
    --eval-text held-out.jsonl --architecture batchtopk,topk --dict-size 256,512,1024 \\
    --k 8,16,32 --steps 1000 --lr 1e-3 --out runs/sweep
  saewing sweep --preset paper/gpt2-small --text openwebtext.jsonl.gz --eval-text held-out.jsonl \\
    --architecture batchtopk,topk,jumprelu
  saewing sweep --activations activations/gpt2-8 --eval-text held-out.jsonl --grid grid.json`,
);

const CHECKPOINT_EVERY = 500;

/** `saewing sweep`. */
export const sweep: Command = {
  summary: "train a grid of SAEs on one stream, measure and plot them",
  help: HELP,
  options: OPTIONS,
  async run(given, session) {
    const { io, output, signal, leaves } = session;
    const options = withPreset(given);
    checkSourceOptions(options);
    checkOptions(options, OPTIONS);
    const cells = readGrid(given, presetTexts(given, true));
    const preset = describePreset(given, true);
    if (preset) output.say(preset);
    using folder = await openOutputFolder(options.text("out"), {
      command: "sweep",
      options: options.given,
      overwrite: options.flag("overwrite"),
      inputs: inputPaths(options),
      goOn: (found) => holdsNoOthers(found, cells, options.text("out")!),
    });
    const out = folder.path;
    const recorded = folder.goesOn
      ? await recordedSweepLimit(out, cells.map(({ name }) => name))
      : undefined;
    if (recorded) checkSameLimit(options, recorded, `${out}: take another --out, or --overwrite`);
    await using source = await openActivationSource(options, session, recorded, {
      besideTrainer: true,
    });
    await checkEvalText(options, await source.openModel(), source);
    const settings = commonSettings(source, options);
    const done = { trained: new Set<string>(), measured: new Set<string>() };
    const without = options.flag("overwrite") ? " without --overwrite" : "";
    const tell = () =>
      leaves({
        text:
          `of ${cells.length} SAEs ${done.trained.size} are trained and ${done.measured.size} ` +
          `measured, the same command with --out ${out}${without} continues`,
        data: {
          folder: out,
          saes: cells.length,
          trained: done.trained.size,
          done: done.measured.size,
        },
      });
    const store = await openStore(folder, cells, settings, done);
    using gpu = await openCommandDevice(options, io);
    output.say(`${source.model} at ${source.hook}, d = ${source.dModel}, on ${gpu.name}`);

    tell();
    const work = { cells, done, tell, store, options, settings, folder, signal };
    await runSweep(gpu, source, work, output).catch((error) => {
      throw asUsage(error);
    });
  },
};

/** A sweep under way. */
interface Sweep {
  cells: SweepCell[];
  done: SweepDone;
  /** Sets what is kept if the work is interrupted now. */
  tell: () => void;
  store: SweepStore;
  options: Arguments;
  settings: ReturnType<typeof commonSettings>;
  folder: OutputFolder;
  signal: AbortSignal;
}

/** The finished SAEs of a folder; none where its run is replaced. */
async function openStore(
  folder: OutputFolder,
  cells: SweepCell[],
  settings: Record<string, unknown>,
  done: SweepDone,
): Promise<SweepStore> {
  const kept = sweepFolder(folder.path, settings);
  const start = () => folder.start(cells.flatMap(({ name }) => cellFiles(name)));
  if (!folder.goesOn) return { ...kept, start, read: () => Promise.resolve(undefined) };
  for (const cell of cells) {
    const state = await kept.read(cell).catch((error) => {
      throw asUsage(error);
    });
    if (state) done.trained.add(cell.name);
    if (state?.measured) done.measured.add(cell.name);
  }
  return { ...kept, start };
}

/** A folder that does not match the arguments is a usage error. */
function asUsage(error: unknown): unknown {
  if (!(error instanceof SweepMismatchError)) return error;
  return new UsageError(`${error.message}: take another --out, or --overwrite`);
}

async function runSweep(
  gpu: Device,
  source: ActivationSource,
  { cells, done, tell, store, options, settings, folder, signal }: Sweep,
  output: Output,
): Promise<void> {
  const { contextLength, skipPositions, normLimit, dModel } = source;
  const missing = cells.filter(({ name }) => !done.trained.has(name));
  const checkpointEvery = options.number("checkpoint-every") ?? CHECKPOINT_EVERY;
  const sizes = missing.map(({ options }) => ({ dModel, dictSize: options.dictSize! }));
  await checkSpace(folder.path, sizes, checkpointEvery > 0);
  if (done.trained.size > 0) {
    output.say(
      `${done.trained.size} of ${cells.length} SAEs are already trained in ${folder.path}`,
    );
  }
  const { batchSize, shuffleSeed: seed, evalRows: maxRows } = settings;
  // Without a number of steps everything is read once, else as often as the steps need.
  const epochs = settings.epochs ?? (missing.every(({ options }) => options.steps) ? Infinity : 1);
  const texts = documentsOf(options, "eval-text");
  const show = sweepProgress(source, missing.length, done, output);
  const rows = await sweepSaes(
    gpu,
    () => source.batches({ batchSize, epochs, seed, startBatch: 0, signal }),
    cells,
    {
      ...{ store, checkpointEvery, signal, batch: { rows: batchSize, cols: dModel } },
      atOnce: options.number("at-once"),
      metadata: sourceMetadata(source),
      measure: async (saes, measured) =>
        await evaluateSaesOnTexts(gpu, await source.openModel(), saes, texts, {
          ...{ contextLength, skipPositions, normLimit, maxRows, signal },
          onProgress: evaluationProgress(output, `${nameSaes(measured)}: `),
        }),
      onProgress(progress) {
        show(progress);
        tell();
      },
      onWarning: (sae, warning) =>
        output.warn(`${sae}: ${describeWarning(warning)}`, { sae, ...warning }),
    },
  );
  const files = await sweepFiles({
    rows,
    date: new Date().toISOString().slice(0, 10),
    device: gpu.name,
    model: { id: source.model, hook: source.hook },
    settings: { ...sharedOptions(cells), ...settings },
  });
  await folder.write(files);
  // Results of an earlier, smaller sweep that it continues.
  const isResult = (name: string) => !name.includes("/") || name.startsWith("plots/");
  await folder.remove((name) => isResult(name) && !(name in files));
  await folder.finish();
  const report = join(folder.path, "sweep.html");
  output.say(files["table2.md"]);
  output.say(`report: ${report}`);
  output.result({ folder: folder.path, report, saes: rows });
}

function nameSaes(cells: readonly SweepCell[]): string {
  return cells.length === 1 ? cells[0].name : `${cells.length} SAEs`;
}

/** Whether a folder holds a sweep whose SAEs are all in this grid, so that no other would remain in it. */
function holdsNoOthers({ command, files }: FoundRun, cells: SweepCell[], out: string): boolean {
  if (command !== "sweep") return false;
  const own = new Set(cells.map(({ name }) => name));
  const all = files.filter((name) => WORK.test(name)).map((name) => name.split("/")[0]);
  const [other, ...more] = new Set(all.filter((name) => !own.has(name)));
  if (other === undefined) return true;
  throw new UsageError(
    `${out} holds ${other}${
      more.length > 0 ? ` and ${more.length} more` : ""
    }, which this grid has ` +
      `not: give a grid that has them too, take another --out, or --overwrite`,
  );
}

/** Settings shared by all SAEs of a sweep. */
function commonSettings(source: ActivationSource, options: Arguments) {
  return {
    model: source.model,
    hook: source.hook,
    text: source.dataset,
    activations: options.text("activations"),
    contextLength: source.contextLength,
    skipPositions: source.skipPositions,
    // No limit, as in sweeps from before there was one.
    normLimit: source.normLimit === "none" ? undefined : source.normLimit,
    dtype: options.text("dtype"),
    revision: options.text("revision"),
    field: options.text("field"),
    batchSize: options.number("batch-size") ?? 2048,
    buffer: options.number("buffer"),
    epochs: options.number("epochs"),
    shuffleSeed: options.number("shuffle-seed") ?? 0,
    evalText: options.texts("eval-text"),
    evalRows: options.number("eval-rows") ?? 64,
  };
}
