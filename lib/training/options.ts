import type { Architecture, Architectures, OwnOptions } from "../sae/architectures/own_options.ts";
import type { InputNormalization, InputTransform, Sae } from "../sae/sae.ts";
import type { Progress } from "../progress.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { TrainingWarning } from "./training_warnings.ts";
import type { StepRecord } from "./step_record.ts";

/** How far a training is, in steps; `total` where `steps` is given. */
export interface TrainingProgress extends Progress {
  /** Records of the steps since the last call, oldest first. */
  records: StepRecord[];
}

/**
 * Options of {@linkcode trainSae}: an architecture, its own options (`Architectures`), and those that all
 * have. An option of another architecture is a type error, and where types are not checked a RangeError.
 */
export type TrainOptions = {
  [Name in Architecture]:
    & { architecture: Name }
    & CommonOptions
    & Architectures[Name]
    & { [Foreign in Exclude<keyof OwnOptions, keyof Architectures[Name]>]?: undefined };
}[Architecture];

/**
 * Options of training as data, in code that knows the architecture only when it runs: those of all
 * architectures. `checkTrainOptions` makes `TrainOptions` of them.
 */
export interface AnyTrainOptions extends CommonOptions, OwnOptions {
  /** How latents are selected. */
  architecture: Architecture;
}

/** Options of training that all architectures have. */
export interface CommonOptions {
  /** Number of latents m (default: that of `initial`). */
  dictSize?: number;
  /**
   * What the squared errors of a sample are divided by: nothing ("none", the default), or its distance
   * from the mean of the batch, ‖x − x̄‖₂ ("input_deviation": the loss is then the mean over n·d of
   * e² / ‖x − x̄‖₂, as in the ReLU SAEs of the paper; a sample equal to the mean counts nothing).
   */
  lossNormalization?: "none" | "input_deviation";
  /**
   * What is done to each sample first, undone on output: "center" subtracts its mean over d (default: that
   * of `initial`, else "none").
   */
  inputTransform?: InputTransform;
  /**
   * Normalisation of the input, undone on output; losses are those of the normalised samples (default:
   * that of `initial`, else "expected_average_only_in": the samples are scaled to a mean norm of √d).
   */
  inputNormalization?: InputNormalization;
  /**
   * expected_average_only_in: what it multiplies samples by (default: that of `initial` where it has the
   * same normalisation, else √d over the mean norm of the first batch).
   */
  inputScale?: number;
  /**
   * Adam's learning rate (default 1.2e-2 · √(512 / dictSize) · ∛(400 / steps), steps being 10,000 where
   * they are not given and at least 400; half of that for relu and jumprelu; 3e-4 where training
   * starts from `initial`; the paper has 3e-4, A.3).
   */
  learningRate?: number;
  /** Steps over which the learning rate rises linearly from 0 (default 0: none). */
  warmupSteps?: number;
  /**
   * Last steps, over which it falls linearly to 0; needs `steps` (default: the last fifth of `steps`,
   * none where they are not given). Once it falls a run can be resumed, but not be given more steps.
   */
  decaySteps?: number;
  /** Decay of Adam's mean of gradients (default 0.9). */
  beta1?: number;
  /** Decay of Adam's mean of squared gradients (default 0.99). */
  beta2?: number;
  /** Added to Adam's denominator (default 1e-8). */
  epsilon?: number;
  /**
   * Largest norm of all gradients together, those of all weights and thresholds (default 0: no limit).
   * A larger norm g scales them by gradientClip / (g + 1e-6), as PyTorch's `clip_grad_norm_` does; the
   * decoder's have lost the part along its rows before.
   */
  gradientClip?: number;
  /**
   * Steps to take (default: until the batches end). A batchtopk SAE reads up to `thresholdBatches` more
   * batches after the last step.
   */
  steps?: number;
  /** Most dead latents per sample that reconstruct its residual (default 512). */
  auxK?: number;
  /** Batches without activity, the current one included, after which a latent is dead (default 5). */
  deadAfter?: number;
  /**
   * batchtopk: batches on which the threshold of Eq. 8 is measured, after the last step and so with the
   * weights that it belongs to (default 32, as many as fit 256 MiB, no more than there were steps):
   * the next ones of the stream, which were not learned from, or the last ones where it ends.
   */
  thresholdBatches?: number;
  /**
   * Whether the encoder reads x − bDec (default: as `initial`, else true). One that reads x itself hardly
   * learns where the mean of the activations is long beside what varies around it.
   */
  subtractDecoderBias?: boolean;
  /** Start of the decoder bias: the mean of the first batch (default) or zero. */
  bDec?: "zero" | "mean";
  /** Seed of the initial weights (default 0). */
  seed?: number;
  /** An SAE to start from, in place of `seed` and `bDec`. */
  initial?: Sae;
  /**
   * Leaves decoder rows and decoder bias as they start (true), or the rows alone ("directions"), and
   * trains the rest (default false: trains all). Frozen gradients still count in `gradientClip`.
   */
  freezeDecoder?: boolean | "directions";
  /** Goes into the SAE's metadata: model, hook, context size and so on. */
  metadata?: Record<string, unknown>;
  /** Most steps between two looks at the records (default 50). */
  recordEvery?: number;
  /** Calls `save` after every `every` steps, and at the end for the rest. */
  checkpoint?: {
    /** Steps from one checkpoint to the next. */
    every: number;
    /** Keeps a checkpoint; training waits for it, and ends with its error where it fails. */
    save: (checkpoint: Checkpoint) => Promise<void>;
  };
  /**
   * Continues from a checkpoint, with the bits of a run that never stopped. Options that are not given
   * are the checkpoint's; those that are must be the same, but `steps` may be larger. The batches that
   * the checkpoint's run took are skipped, so give the same stream from its beginning.
   */
  resume?: Checkpoint;
  /**
   * Number of the first batch given, where a stream to `resume` on starts later (default 0);
   * `firstBatchToResume` tells how late it may.
   */
  startBatch?: number;
  /** Ends the training after the current step; what was learned so far is returned. */
  signal?: AbortSignal;
  /** Called every `recordEvery` steps at the latest. */
  onProgress?: (progress: TrainingProgress) => void;
  /** Called when something begins to go wrong, and at the end: once for each kind of warning. */
  onWarning?: (warning: TrainingWarning) => void;
}

/** Options with every default filled in. */
export type Settings =
  & { architecture: Architecture }
  & Required<Omit<CommonOptions, Optional>>
  & Pick<CommonOptions, Optional>
  & Required<Pick<OwnOptions, Always>>
  & Omit<OwnOptions, Always>;

type Optional =
  | "initial"
  | "inputTransform"
  | "inputScale"
  | "steps"
  | "checkpoint"
  | "resume"
  | "signal"
  | "onProgress"
  | "onWarning";

/** Own options of architectures that settings have in any case: NaN or 0 where there is none. */
type Always =
  | "k"
  | "auxCoefficient"
  | "sparsityCoefficient"
  | "sparsityWarmupSteps"
  | "bandwidth";
