import { type Batches, readRepeatedly } from "../batches.ts";
import type { CrossEntropyEvaluation } from "../evaluation/evaluate_cross_entropy.ts";
import type { Evaluation } from "../evaluation/evaluate_sae.ts";
import type { Device } from "../device/device.ts";
import type { Progress } from "../progress.ts";
import type { Sae } from "../sae/sae.ts";
import { checkMemory, trainingBytes } from "../training/check_memory.ts";
import type { Checkpoint } from "../training/checkpoint.ts";
import { completeOptions } from "../training/complete_options.ts";
import type { TrainingProgress, TrainOptions } from "../training/options.ts";
import { trainSaes } from "../training/train_sae.ts";
import type { TrainingWarning } from "../training/training_warnings.ts";
import type { SweepCell } from "./grid.ts";
import { type CellState, memoryStore, SweepMismatchError, type SweepStore } from "./sweep_store.ts";
import { rowOf, type SweepRow } from "./sweep_row.ts";

/** SAEs that are trained together on one reading of the batches. */
export interface SweepGroup {
  /** Number of the group, from 1. */
  group: number;
  /** Number of groups. */
  groups: number;
  /** Names of its SAEs. */
  saes: string[];
}

/** How far a sweep is. */
export type SweepProgress =
  & Progress
  & (
    /** A group begins, `done` groups are; `resumed`: steps of checkpoints that SAEs of it continue from. */
    | { phase: "start"; resumed: number[] } & SweepGroup
    /** An SAE of the group took steps. */
    | { phase: "training"; sae: string; samplesPerSecond: number } & SweepGroup & TrainingProgress
    /** The group is trained and kept, `done` groups are. */
    | { phase: "trained"; seconds: number } & SweepGroup
    /** SAEs are about to be measured, `done` of `total` are. */
    | { phase: "measuring"; saes: string[]; total: number }
    /** It was measured. */
    | { phase: "measured"; sae: string; total: number; row: SweepRow }
  );

// What is clean or ablated takes three of the four runs of one SAE: of 8 together each takes 1.4. A sweep
// that ends while they are measured measures these 8 again.
const MEASURED_TOGETHER = 8;

/** Options of {@linkcode sweepSaes}. */
export interface SweepOptions {
  /** Shape of the batches, from which the memory that training takes is reckoned. */
  batch: { rows: number; cols: number };
  /**
   * Measures trained SAEs, at most 8 at once, on data held out from training: `evaluateSaesOnTexts` gives
   * both; without `crossEntropy` the row's columns of it are NaN. Gives one result per SAE, in their order.
   */
  measure: (
    saes: Sae[],
    cells: readonly SweepCell[],
  ) => Promise<{ evaluation: Evaluation; crossEntropy?: CrossEntropyEvaluation }[]>;
  /** Where SAEs are kept; one that holds some already continues (default: in memory, until measured). */
  store?: SweepStore;
  /** Most SAEs that are trained together (default: as many as the device's memory holds). */
  atOnce?: number;
  /** Steps from one checkpoint of an SAE in training to the next (default 0: none). */
  checkpointEvery?: number;
  /** Goes into each SAE's metadata: model, hook, context size and so on. */
  metadata?: Record<string, unknown>;
  /**
   * Ends training after the current step, with a checkpoint of each SAE where those are kept; the promise
   * is then rejected with the signal's reason.
   */
  signal?: AbortSignal;
  /** Called as the work proceeds. */
  onProgress?: (progress: SweepProgress) => void;
  /** Called when training an SAE begins to go wrong. */
  onWarning?: (sae: string, warning: TrainingWarning) => void;
}

/**
 * Trains a grid of SAEs on one stream of activations, and measures each. All SAEs that fit into the
 * device's memory together read the batches once; where not all fit, they are trained in groups. Each
 * has the bits that `trainSae` gives it on the same batches.
 *
 * @param device An open device.
 * @param batches Activations, [rows, d] each; a list or a function, where there are several groups.
 * @param cells The SAEs, as `sweepGrid` names them.
 * @returns A row for each SAE, in the order of `cells`.
 * @throws {TypeError} The batches are a stream that can be read once, and there are several groups.
 * @throws {SweepMismatchError} The store holds SAEs that were trained with something else.
 * @throws {Error} An SAE does not fit into memory by itself, training or measuring fails.
 *
 * @example
 * ```ts ignore
 * const batches = () => streamActivations(model, readTexts("corpus/*.txt"), { batchSize: 2048 });
 * const cells = sweepGrid({ architecture: ["topk", "batchtopk"], dictSize: [256, 512], k: 8 });
 * const rows = await sweepSaes(device, batches, cells, {
 *   batch: { rows: 2048, cols: model.dModel },
 *   measure: (saes) => evaluateSaesOnTexts(device, model, saes, () => readTexts("held-out.txt")),
 *   store: sweepFolder("runs/sweep"),
 * });
 * ```
 */
export async function sweepSaes(
  device: Device,
  batches: Batches,
  cells: readonly SweepCell[],
  options: SweepOptions,
): Promise<SweepRow[]> {
  const { measure, signal, onProgress, store = memoryStore() } = options;
  const states = new Map<SweepCell, CellState>();
  for (const cell of cells) {
    const state = await store.read(cell);
    if (state) states.set(cell, state);
  }
  const missing = cells.filter((cell) => !states.has(cell));
  const groups = groupCells(device, missing, options);
  const read = readRepeatedly(batches, groups.length, `a sweep in ${groups.length} groups`);
  await store.start?.();
  for (const [g, group] of groups.entries()) {
    const which = { group: g + 1, groups: groups.length, saes: group.map(({ name }) => name) };
    const trained = await trainGroup(device, read, group, { ...options, store }, which);
    trained.forEach((state, i) => states.set(group[i], state));
  }
  const unmeasured = cells.filter((cell) => !states.get(cell)!.measured);
  let done = cells.length - unmeasured.length;
  const total = cells.length;
  const together = Math.min(options.atOnce ?? Infinity, MEASURED_TOGETHER);
  for (const group of groupCells(device, unmeasured, { ...options, atOnce: together })) {
    signal?.throwIfAborted();
    onProgress?.({ phase: "measuring", done, total, saes: group.map(({ name }) => name) });
    const saes: Sae[] = [];
    for (const cell of group) saes.push(await store.loadSae(cell));
    const found = await measure(saes, group);
    if (found.length !== group.length) {
      throw new RangeError(`measure gave ${found.length} results for ${group.length} SAEs`);
    }
    for (const [i, cell] of group.entries()) {
      const { density: _, ...evaluation } = found[i].evaluation;
      const measured = { evaluation, crossEntropy: found[i].crossEntropy ?? null };
      const state = { ...states.get(cell)!, measured };
      await store.saveMeasured(cell, state);
      states.set(cell, state);
      const row = rowOf(cell, state);
      onProgress?.({ phase: "measured", done: ++done, sae: cell.name, total, row });
    }
  }
  return cells.map((cell) => rowOf(cell, states.get(cell)!));
}

/** Trains SAEs together and keeps them. */
async function trainGroup(
  device: Device,
  batches: Batches,
  cells: readonly SweepCell[],
  { store, metadata, signal, checkpointEvery = 0, onProgress, onWarning }:
    & SweepOptions
    & { store: SweepStore },
  group: SweepGroup,
): Promise<CellState[]> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const resumes: (Checkpoint | undefined)[] = [];
  for (const cell of cells) resumes.push(await loadFittingCheckpoint(store, cell));
  const resumed = resumes.flatMap((checkpoint) => checkpoint?.steps ?? []);
  const total = group.groups;
  onProgress?.({ phase: "start", done: group.group - 1, total, ...group, resumed });
  const trained = await trainSaes(
    device,
    batches,
    cells.map((cell, i): TrainOptions => ({
      ...cell.options,
      metadata,
      signal,
      resume: resumes[i],
      checkpoint: checkpointEvery === 0 ? undefined : {
        every: checkpointEvery,
        save: (checkpoint) => store.saveCheckpoint(cell, checkpoint),
      },
      onWarning: (warning) => onWarning?.(cell.name, warning),
      onProgress(progress) {
        const own = progress.records.at(-1)!.samples - (resumes[i]?.samples ?? 0);
        const samplesPerSecond = own / seconds();
        onProgress?.({
          ...progress,
          phase: "training",
          ...group,
          sae: cell.name,
          samplesPerSecond,
        });
      },
    })),
  );
  // What was trained in part has its checkpoint; it is not taken for whole.
  signal?.throwIfAborted();
  const states: CellState[] = [];
  for (const [i, cell] of cells.entries()) states.push(await store.saveTrained(cell, trained[i]));
  onProgress?.({ phase: "trained", done: group.group, total, ...group, seconds: seconds() });
  return states;
}

async function loadFittingCheckpoint(
  store: SweepStore,
  cell: SweepCell,
): Promise<Checkpoint | undefined> {
  const resume = await store.loadCheckpoint(cell);
  if (!resume) return undefined;
  try {
    completeOptions({ ...cell.options, resume });
  } catch (error) {
    throw new SweepMismatchError(
      `${cell.name}/checkpoint does not fit: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return resume;
}

/** Splits cells into groups that are trained or measured together: as many as fit, in their order. */
function groupCells(
  device: Device,
  cells: readonly SweepCell[],
  { batch, atOnce = Infinity }: Pick<SweepOptions, "batch" | "atOnce">,
): SweepCell[][] {
  const free = device.memoryLimit - device.allocated;
  const groups: SweepCell[][] = [];
  let bytes = 0;
  for (const cell of cells) {
    const settings = completeOptions(cell.options);
    const own = trainingBytes(device, settings, batch);
    // One that does not fit alone is reported before the others are trained.
    checkMemory(device, settings, batch);
    if (groups.length === 0 || bytes + own > free || groups.at(-1)!.length === atOnce) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(cell);
    bytes += own;
  }
  return groups;
}
