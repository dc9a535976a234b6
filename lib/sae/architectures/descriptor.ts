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
 * Everything that depends on the architecture. To add one, write a descriptor file and a line in the registry, and
 * an operation if it needs a new one.
 *
 * `Own` are the options of training that only some architectures have. Methods get the settings of a run,
 * with the descriptor's own defaults filled in.
 */
export interface Descriptor<Own extends object = object> {
  /** Which pre-activations it keeps, in a few words. */
  readonly summary: string;
  /** The kind of an SAE's k: a whole number per sample; a mean over a batch; or none. */
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
  /** The sparsity loss that λ weighs, if there is one: without it a run needs k. */
  readonly sparsity?: SparsityLoss;
  /** The loops of its own operations on the CPU, for workers to find. */
  readonly loops?: readonly Loop<never>[];
  /** Its own options with all defaults. */
  defaults(options: Own, given: { dictSize: number; initial?: Sae }): Own;
  /** @throws {RangeError} One of its own options does not fit; the message names it. */
  check(settings: Own & RunSettings): void;
  /** Its own options that go into the metadata of an SAE in training. */
  describe(settings: Own): Record<string, unknown>;
  /** Largest number of active latents per sample; all without a k. */
  mostActive(settings: Own & RunSettings): number;
  /** The selection rule for a batch of `rows` samples. */
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

/** Settings of a run that architectures see beside their own options. */
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

/** Sizes that determine the memory of a step. */
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

/** The errors of a step after both reconstructions, with their sums of squares. */
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
