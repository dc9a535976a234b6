import { join } from "@std/path";
import { type ActivationSource, sourceMetadata } from "../lib/activations/activation_source.ts";
import type { OutputFolder } from "../lib/formats/output_folder.ts";
import { sweepFiles } from "../lib/report/mod.ts";
import { sharedOptions } from "../lib/sweep/grid.ts";
import { type SweepCell, SweepMismatchError, type SweepStore } from "../lib/sweep/mod.ts";
import { type Device, evaluateSaesOnTexts, type SweepRow, sweepSaes } from "../mod.ts";
import type { Session } from "./command.ts";
import { describeWarning, evaluationProgress, type SweepDone, sweepProgress } from "./describe.ts";
import { checkSpace } from "./open.ts";
import { UsageError } from "./io.ts";
import type { Arguments } from "./options.ts";
import type { Output } from "./output.ts";
import { documentsOf } from "./source.ts";

const CHECKPOINT_EVERY = 500;

/** SAEs that are trained and measured. */
export interface SweepWork {
  cells: SweepCell[];
  /** The whole grid, where `cells` are a part of it. */
  grid: readonly SweepCell[];
  done: SweepDone;
  /** Sets what is kept if the work is interrupted now. */
  tell: () => void;
  store: SweepStore;
  options: Arguments;
  settings: ReturnType<typeof commonSettings>;
  folder: string;
  signal: AbortSignal;
}

/** Notes which SAEs a store has finished. */
export async function readDone(
  store: SweepStore,
  cells: readonly SweepCell[],
  done: SweepDone,
): Promise<void> {
  for (const cell of cells) {
    const state = await store.read(cell).catch((error) => {
      throw asUsage(error);
    });
    if (state) done.trained.add(cell.name);
    if (state?.measured) done.measured.add(cell.name);
  }
}

/** A folder that does not match the arguments is a usage error. */
function asUsage(error: unknown): unknown {
  if (!(error instanceof SweepMismatchError)) return error;
  return new UsageError(`${error.message}: take another --out, or --overwrite`);
}

/** Trains and measures SAEs on one stream. Gives their rows. */
export async function trainCells(
  gpu: Device,
  source: ActivationSource,
  { cells, grid, done, tell, store, options, settings, folder, signal }: SweepWork,
  output: Output,
): Promise<SweepRow[]> {
  const { contextLength, skipPositions, normLimit, dModel } = source;
  const missing = cells.filter(({ name }) => !done.trained.has(name));
  const checkpointEvery = options.number("checkpoint-every") ?? CHECKPOINT_EVERY;
  const sizes = missing.map(({ options }) => ({ dModel, dictSize: options.dictSize! }));
  await checkSpace(folder, sizes, checkpointEvery > 0);
  if (done.trained.size > 0) {
    output.say(`${done.trained.size} of ${cells.length} SAEs are already trained in ${folder}`);
  }
  const { batchSize, shuffleSeed: seed, evalRows: maxRows } = settings;
  // Without a number of steps everything is read once, else as often as the steps need.
  const epochs = settings.epochs ?? (grid.every(({ options }) => options.steps) ? Infinity : 1);
  const texts = documentsOf(options, "eval-text");
  const show = sweepProgress(source, missing.length, done, output);
  return await sweepSaes(
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
  ).catch((error) => {
    throw asUsage(error);
  });
}

function nameSaes(cells: readonly SweepCell[]): string {
  return cells.length === 1 ? cells[0].name : `${cells.length} SAEs`;
}

/** What a report says of all SAEs of a sweep. */
export interface SweepFacts {
  /** Name of the device. */
  device: string;
  model: { id: string; hook: string };
  settings: Record<string, unknown>;
}

/** The facts of a sweep. */
export function sweepFacts(
  { name }: Device,
  { model, hook }: ActivationSource,
  settings: Record<string, unknown>,
): SweepFacts {
  return { device: name, model: { id: model, hook }, settings };
}

/** Writes the tables, plots and page of a sweep, and marks its folder as finished. */
export async function writeReport(
  folder: OutputFolder,
  cells: readonly Pick<SweepCell, "options">[],
  rows: SweepRow[],
  { device, model, settings }: SweepFacts,
  { output }: Session,
): Promise<void> {
  const files = await sweepFiles({
    ...{ rows, device, model, date: new Date().toISOString().slice(0, 10) },
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

/** Settings shared by all SAEs of a sweep. */
export function commonSettings(source: ActivationSource, options: Arguments) {
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
