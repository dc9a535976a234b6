import { openOutputFolder, type OutputFolder } from "../lib/formats/output_folder.ts";
import { cellFiles, type FoundRun, WORK } from "../lib/formats/run_files.ts";
import { recordedSweepLimit } from "../lib/formats/sweep_folder.ts";
import type { SweepCell, SweepStore } from "../lib/sweep/mod.ts";
import { sweepFolder } from "../mod.ts";
import type { Command } from "./command.ts";
import type { SweepDone } from "./describe.ts";
import { inputPaths, openCommandDevice } from "./open.ts";
import { UsageError } from "./io.ts";
import { checkOptions, group, helpOf, type Options, shared } from "./options.ts";
import { givenPart, PART_OPTION } from "./part.ts";
import {
  checkEvalText,
  checkSameLimit,
  checkSourceOptions,
  openActivationSource,
} from "./source.ts";
import { sweepPart } from "./sweep_part.ts";
import { commonSettings, readDone, sweepFacts, trainCells, writeReport } from "./sweep_run.ts";
import {
  describePreset,
  presetTexts,
  readGrid,
  READING,
  TRAINING,
  withPreset,
} from "./training_options.ts";

const OPTIONS: Options = [
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
    PART_OPTION,
    ...group("last"),
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
    const part = givenPart(given);
    const preset = describePreset(given, true);
    if (preset) output.say(preset);
    if (part) return await sweepPart(part, given, options, cells, session);
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
    const work = { cells, grid: cells, done, tell, store, options, settings, folder: out, signal };
    const rows = await trainCells(gpu, source, work, output);
    await writeReport(folder, cells, rows, sweepFacts(gpu, source, settings), session);
  },
};

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
  await readDone(kept, cells, done);
  return { ...kept, start };
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
