import { join } from "@std/path";
import { checkMemory, trainingBytes } from "../lib/training/check_memory.ts";
import { completeOptions } from "../lib/training/complete_options.ts";
import {
  type Checkpoint,
  type Device,
  loadCheckpoint,
  saveCheckpoint,
  type TrainOptions,
  trainSaes,
} from "../mod.ts";
import type { ActivationSource } from "./activation_source.ts";
import { describeWarning } from "./describe_warning.ts";
import { UsageError } from "./command.ts";
import { describeLeftOut } from "./norm_limit.ts";
import { formatSeconds, type Output } from "./output.ts";
import { type CellState, CHECKPOINT, writeTrained } from "./sweep_cell.ts";
import type { Cell } from "./sweep_grid.ts";

/** How a sweep's SAEs are trained. */
export interface SweepTraining {
  /** The sweep's folder. */
  out: string;
  /** Rows of a batch. */
  batchSize: number;
  /** How often everything is read; may be Infinity. */
  epochs: number;
  /** Seed of the activations' order. */
  shuffleSeed: number;
  /** Most SAEs that are trained together. */
  atOnce: number;
  /** Steps from one checkpoint to the next; 0 where none are kept. */
  checkpointEvery: number;
  /** What each cell's marker says of the sweep. */
  settings: (cell: Cell) => Record<string, unknown>;
  /** Called when it is clear that the cells fit, before anything is read or written. */
  begin: () => Promise<void>;
  /** Called with what was written of a cell. */
  onTrained: (name: string, state: CellState) => void;
  /** Ends training after the current step; of an unfinished SAE the checkpoint is kept. */
  signal: AbortSignal;
}

/**
 * Trains cells on one stream of activations, in groups where not all fit into GPU memory, and writes
 * each into its folder.
 */
export async function trainCells(
  gpu: Device,
  source: ActivationSource,
  cells: Cell[],
  training: SweepTraining,
  output: Output,
): Promise<void> {
  const { batchSize, epochs, shuffleSeed, signal } = training;
  const groups = groupCells(gpu, cells, source.dModel, training);
  await training.begin();
  if (groups.length > 1) {
    output.say(
      `${cells.length} SAEs are trained in ${groups.length} groups, the activations are made or read ` +
        `once for each`,
    );
  }
  const metadata = {
    model: source.model,
    hook: source.hook,
    contextSize: source.contextLength,
    prependBos: true,
    dataset: source.dataset,
    normLimit: source.normLimit,
  };
  for (const [g, group] of groups.entries()) {
    const started = performance.now();
    const which = groups.length > 1 ? `group ${g + 1} of ${groups.length}, ` : "";
    const order = { batchSize, epochs, seed: shuffleSeed, startBatch: 0, signal };
    const batches = source.batches(order);
    const resumes: (Checkpoint | undefined)[] = [];
    for (const cell of group) resumes.push(await loadCellCheckpoint(training.out, cell));
    const kept = resumes.filter((checkpoint) => checkpoint);
    if (kept.length > 0) {
      const steps = [...new Set(kept.map((checkpoint) => checkpoint!.steps))].join(", ");
      output.say(`${which}${kept.length} SAEs go on after step ${steps}`);
    }
    const trained = await trainSaes(
      gpu,
      batches,
      group.map(({ name, options }, i): TrainOptions => ({
        ...options,
        metadata,
        signal,
        resume: resumes[i],
        checkpoint: training.checkpointEvery === 0 ? undefined : {
          every: training.checkpointEvery,
          save: (checkpoint) => saveCheckpoint(checkpoint, join(training.out, name, CHECKPOINT)),
        },
        onWarning(warning) {
          output.warn(`${name}: ${describeWarning(warning)}`, { sae: name, ...warning });
        },
        onProgress(records) {
          const last = records.at(-1)!;
          const steps = options.steps ? ` of ${options.steps}` : "";
          const own = last.samples - (resumes[i]?.samples ?? 0);
          const rate = Math.round(own / (performance.now() - started) * 1000);
          output.progress(
            `${which}${group.length} SAEs, step ${last.step}${steps}  ${rate} tokens/s  ` +
              `${name}: loss ${last.loss.toPrecision(4)}, L0 ${last.l0.toFixed(1)}`,
            { sae: name, ...last },
          );
        },
      })),
    );
    signal.throwIfAborted();
    for (const [i, { name }] of group.entries()) {
      const settings = training.settings(group[i]);
      const state = await writeTrained(join(training.out, name), settings, trained[i]);
      training.onTrained(name, state);
    }
    const seconds = formatSeconds((performance.now() - started) / 1000);
    output.say(`${which}${group.length} SAEs trained in ${seconds}`);
    const left = describeLeftOut(source.normLimit, source.leftOut());
    if (left) output.say(`${which}${left}`);
  }
}

/** The checkpoint of a cell that was not trained to its end, if it has one. */
async function loadCellCheckpoint(out: string, cell: Cell): Promise<Checkpoint | undefined> {
  const folder = join(out, cell.name, CHECKPOINT);
  const resume = await loadCheckpoint(folder);
  if (!resume) return undefined;
  try {
    completeOptions({ ...cell.options, resume });
  } catch (error) {
    throw new UsageError(
      `${folder} does not fit: ${(error as Error).message}. Take another --out, or --overwrite`,
    );
  }
  return resume;
}

/** Splits cells into groups that are trained together: as many as fit, in the order of the grid. */
function groupCells(
  gpu: Device,
  cells: Cell[],
  dModel: number,
  { batchSize, atOnce }: SweepTraining,
): Cell[][] {
  const free = gpu.memoryLimit - gpu.allocated;
  const groups: Cell[][] = [];
  let bytes = Infinity;
  for (const cell of cells) {
    const batch = { rows: batchSize, cols: dModel };
    const settings = completeOptions(cell.options);
    const own = trainingBytes(gpu, settings, batch);
    // One that does not fit alone is told before the others are trained.
    checkMemory(gpu, settings, batch);
    if (bytes + own > free || groups.at(-1)!.length === atOnce) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(cell);
    bytes += own;
  }
  return groups;
}
