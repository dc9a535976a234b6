import type { DeviceBuffer } from "../../device/buffer.ts";
import type { Loop } from "../../device/cpu_stage.ts";
import type { Program } from "../../device/program.ts";
import type { SparseColumns } from "../../ops/gradients.ts";
import type { JumpThresholds } from "../../ops/ragged.ts";
import type { SelectionRule } from "../../ops/select_active.ts";
import type { SparseRows } from "../../ops/sparse_rows.ts";
import type { Weights } from "../../ops/weights.ts";
import type { Sae } from "../sae.ts";

/**
 * All that depends on the architecture. Adding one is a file that describes it and a line in the registry,
 * and an operation where it needs one that there is not.
 *
 * `Own` are the options of training that only some architectures have. Methods are given the settings of a
 * run, in which `defaults` has filled in the descriptor's own.
 */
export interface Descriptor<Own extends object = object> {
  /** What it keeps, in a few words. */
  readonly summary: string;
  /** What an SAE's k is: whole, for each sample; a mean over a batch; or nothing. */
  readonly k: "whole" | "mean" | "none";
  /**
   * Where the inference threshold of its latents comes from: all are 0 and none is stored; there is none,
   * as the k largest of a sample are kept; measured after training, the same for all (Eq. 8); or learned.
   */
  readonly threshold: "zero" | "none" | "measured" | "learned";
  /** SAELens's name of what is saved, and its names of what is read as this. */
  readonly saeLens: { readonly saved: string; readonly read: readonly string[] };
  /** What the default learning rate is multiplied by. */
  readonly rateFactor: number;
  /** Its own options of training, and how the command line asks for them. */
  readonly options: { readonly [Name in keyof Own]-?: OptionText };
  /** What λ weighs, where there is a sparsity loss: without one a run is told k. */
  readonly sparsity?: SparsityLoss;
  /** The loops that its own operations run on the CPU, as workers have to find them. */
  readonly loops?: readonly Loop<never>[];
  /** Its own options with all defaults. */
  defaults(options: Own, given: { dictSize: number; initial?: Sae }): Own;
  /** @throws {RangeError} One of its own options does not fit; the message names it. */
  check(settings: Own & RunSettings): void;
  /** What of its own options the metadata of an SAE in training tell. */
  describe(settings: Own): Record<string, unknown>;
  /** Most active latents of a sample; whoever has no k may have all. */
  mostActive(settings: Own & RunSettings): number;
  /** Which latents stay in a batch of `rows` samples. */
  rule(settings: Own, batch: SelectionBuffers): SelectionRule;
  /** Numbers of 4 bytes that `divideErrors` needs. */
  extraNumbers?(settings: Own & RunSettings, batch: BatchShape): number;
  /**
   * Where the loss is not that of the whole reconstruction alone: replaces the squared errors of the
   * samples by its own, and gives each entry the residual that its gradients are made of.
   */
  divideErrors?(p: Program, settings: Own & RunSettings, errors: StepErrors): DividedErrors;
}

/** An option as the command line has it. */
export interface OptionText {
  /** Its name there, without dashes. */
  readonly flag: string;
  /** What stands for its value in help. */
  readonly value: string;
  /** What it is. */
  readonly help: string;
  /** Whether it is a list of numbers, separated by commas. */
  readonly list?: boolean;
}

/** What architectures may know of a run beside their own options. */
export interface RunSettings {
  /** Number of latents m. */
  dictSize: number;
  /** What a sample's squared errors are divided by. */
  lossNormalization: "none" | "input_deviation";
  /** The SAE that training starts from. */
  initial?: Sae;
}

/** A sparsity loss with its weight λ, and how λ is steered to a target L0. */
export interface SparsityLoss {
  /** λ · mean over samples of Σ f, whose gradient is λ/n by each activation, or of the number of them. */
  readonly penalty: "sum" | "count";
  /** Gains of the controller of log λ. */
  readonly gains: { readonly integral: number; readonly proportional: number };
  /** Active latents that a new SAE starts with, over the target. */
  readonly startAbove: number;
  /** The λ that a run with a target L0 starts with; see `startingCoefficient`. */
  start(run: {
    targetL0: number;
    lossNormalization: "none" | "input_deviation";
    dModel: number;
    meanLoss: number;
  }): number;
}

/** What the memory of a step grows with. */
export interface BatchShape {
  /** Number of samples n. */
  rows: number;
  /** Width d. */
  cols: number;
  /** Most entries of sparse rows. */
  entries: number;
  /** Whether there is an auxiliary loss. */
  auxiliary: boolean;
}

/** Buffers that a selection may write. */
export interface SelectionBuffers {
  /** Number of samples n. */
  rows: number;
  /** [n] what the sparsity loss sums. */
  penalties: DeviceBuffer;
  /** Learned thresholds. */
  jump?: JumpThresholds;
}

/** What a step knows of its errors when both reconstructions are done and their squares are summed. */
export interface StepErrors {
  /** Number of samples n. */
  rows: number;
  /** Whether rows n … 2n − 1 of all below belong to the auxiliary loss. */
  auxiliary: boolean;
  /** The active latents. */
  sparse: SparseRows;
  /** The weights. */
  weights: Weights;
  /**
   * e = x − x̂, [n or 2n, d]. The sum of its first n rows makes the decoder bias's gradient, so they are
   * replaced by what belongs there.
   */
  residual: DeviceBuffer;
  /** [n or 2n] squared errors of each row; the first n are replaced. */
  squares: DeviceBuffer;
}

/** Entries with the residuals that their gradients are made of. */
export interface DividedErrors {
  /** The same entries in other rows, one for each row of the residual. */
  sparse: SparseRows;
  /** The residuals. */
  residual: DeviceBuffer;
  /** How many rows belong to the reconstruction; the auxiliary loss has the rest. */
  half: number;
  /** Appends what gives `columns.samples`, the sample of each sorted entry. */
  findSamples(p: Program, columns: SparseColumns): DeviceBuffer;
}
