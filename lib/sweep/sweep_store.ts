import type { CrossEntropyEvaluation } from "../evaluation/evaluate_cross_entropy.ts";
import type { Evaluation } from "../evaluation/evaluate_sae.ts";
import type { Sae } from "../sae/sae.ts";
import type { Checkpoint } from "../training/checkpoint.ts";
import type { StepRecord } from "../training/step_record.ts";
import type { SweepCell } from "./grid.ts";

/** What was measured of an SAE of a sweep. */
export interface SweepMeasures {
  /** Reconstruction and sparsity; the density of each latent is not kept. */
  evaluation: Omit<Evaluation, "density" | "l0Histogram"> & { l0Histogram: ArrayLike<number> };
  /** What splicing it into the model costs; null where that was not measured. */
  crossEntropy: CrossEntropyEvaluation | null;
}

/** What is done of an SAE of a sweep. */
export interface CellState {
  /** What it was trained and measured with, by name. */
  settings: Record<string, unknown>;
  /** What training ended with. */
  trained: { steps: number; samples: number; loss: number; warnings?: string[] };
  /** What was measured; absent until it is. */
  measured?: SweepMeasures;
}

/** Where a sweep keeps its SAEs, so that one that ended early continues; `sweepFolder` is one on disk. */
export interface SweepStore {
  /** Called once, when it is clear that all SAEs fit into memory, before anything is kept. */
  start?(): Promise<void>;
  /**
   * What is done of an SAE; undefined where nothing is, or not to its end.
   *
   * @throws {SweepMismatchError} It was trained with something else.
   */
  read(cell: SweepCell): Promise<CellState | undefined>;
  /** The last checkpoint of an SAE that was not trained to its end. */
  loadCheckpoint(cell: SweepCell): Promise<Checkpoint | undefined>;
  /** Keeps a checkpoint in place of the one before. */
  saveCheckpoint(cell: SweepCell, checkpoint: Checkpoint): Promise<void>;
  /** Keeps a trained SAE and the records of its steps; its checkpoint goes. */
  saveTrained(cell: SweepCell, trained: { sae: Sae; history: StepRecord[] }): Promise<CellState>;
  /** Keeps what was measured of it. */
  saveMeasured(cell: SweepCell, state: CellState): Promise<void>;
  /** A trained SAE. */
  loadSae(cell: SweepCell): Promise<Sae>;
}

/** What a store holds does not belong to the sweep that is to be continued. */
export class SweepMismatchError extends Error {
  /** Name of the error. */
  override name: string = "SweepMismatchError";
}

/** What training ended with, as a {@linkcode CellState} says it. */
export function trainedState(
  { sae, history }: { sae: Sae; history: StepRecord[] },
): CellState["trained"] {
  const { step, samples, loss } = history.at(-1)!;
  const warnings = sae.metadata.warnings as { kind: string }[] | undefined;
  return { steps: step, samples, loss, warnings: warnings?.map(({ kind }) => kind) };
}

/** Keeps SAEs in memory, where nobody gives another store. */
export function memoryStore(): SweepStore {
  const kept = new Map<string, Sae>();
  return {
    read: () => Promise.resolve(undefined),
    loadCheckpoint: () => Promise.resolve(undefined),
    saveCheckpoint: () => Promise.resolve(),
    saveTrained({ name, options }, trained) {
      kept.set(name, trained.sae);
      return Promise.resolve({ settings: { ...options }, trained: trainedState(trained) });
    },
    saveMeasured({ name }) {
      kept.delete(name);
      return Promise.resolve();
    },
    loadSae: ({ name }) => Promise.resolve(kept.get(name)!),
  };
}
