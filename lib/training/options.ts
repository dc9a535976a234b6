import { checkCount, checkK, checkNumber, checkSae } from "../sae/check.ts";
import type { Architecture, Sae } from "../sae/sae.ts";
import { type Checkpoint, checkResume } from "./checkpoint.ts";

/** What a training step did. One record a step. */
export interface StepRecord {
  /** Number of the step, from 1. */
  step: number;
  /** Samples seen so far, this step's included. */
  samples: number;
  /** What the step minimised: reconstruction loss + auxiliary loss. */
  loss: number;
  /** Mean over samples and dimensions of (x − x̂)². */
  reconstructionLoss: number;
  /** α · mean over samples and dimensions of (ê − e)²; 0 while no latent is dead. */
  auxiliaryLoss: number;
  /** Active latents a sample. */
  l0: number;
  /** Latents inactive in each of the last `deadAfter` batches. */
  deadLatents: number;
  /** Smallest activation kept in this batch (Eq. 8 averages these); 0 where none was. */
  smallestKept: number;
}

/** Options of {@linkcode trainSae}. */
export interface TrainOptions {
  /** How latents are selected. This version trains "batchtopk" and "topk". */
  architecture: Architecture;
  /** Number of latents m (default: that of `initial`). */
  dictSize?: number;
  /** Active latents a sample, for batchtopk on average over a batch (default: that of `initial`). */
  k?: number;
  /** Adam's learning rate (default 3e-4, A.3). */
  learningRate?: number;
  /** Steps over which the learning rate rises linearly from 0 (default 0: none). */
  warmupSteps?: number;
  /** Last steps, over which it falls linearly to 0; needs `steps` (default 0: none). */
  decaySteps?: number;
  /** Decay of Adam's mean of gradients (default 0.9). */
  beta1?: number;
  /** Decay of Adam's mean of squared gradients (default 0.99). */
  beta2?: number;
  /** Added to Adam's denominator (default 1e-8). */
  epsilon?: number;
  /** Steps to take (default: until the batches end). */
  steps?: number;
  /** α, weight of the auxiliary loss (default 1/32; 0 turns it off). */
  auxCoefficient?: number;
  /** Most dead latents a sample that reconstruct its residual (default 512). */
  auxK?: number;
  /** Batches without activity, the current one included, after which a latent is dead (default 5). */
  deadAfter?: number;
  /** Batches whose smallest kept activation is averaged into the threshold (Eq. 8; default 100). */
  thresholdBatches?: number;
  /** Whether the encoder reads x − bDec (default true). */
  subtractDecoderBias?: boolean;
  /** Start of the decoder bias: zero (default) or the mean of the first batch. */
  bDec?: "zero" | "mean";
  /** Seed of the initial weights (default 0). */
  seed?: number;
  /** An SAE to start from, in place of `seed` and `bDec`. */
  initial?: Sae;
  /** Goes into the SAE's metadata: model, hook, context size and the like. */
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
   * Goes on from a checkpoint, with the bits of a run that never stopped. Options that are not given
   * are the checkpoint's; those that are must be the same, but `steps` may be larger. The batches that
   * the checkpoint's run took are skipped, so give the same stream from its beginning.
   */
  resume?: Checkpoint;
  /** Number of the first batch given, where a stream to `resume` on starts later (default 0). */
  startBatch?: number;
  /** Ends the training after the current step; what was learned so far is returned. */
  signal?: AbortSignal;
  /** Called with the newest records, every `recordEvery` steps at the latest. */
  onProgress?: (records: StepRecord[]) => void;
}

/** Options with every default filled in. */
export type Settings =
  & Required<Omit<TrainOptions, Optional>>
  & Pick<TrainOptions, Optional>;

type Optional = "initial" | "steps" | "checkpoint" | "resume" | "signal" | "onProgress";

/**
 * Fills in defaults and checks each option.
 *
 * @throws {RangeError | TypeError} Naming the option, what was found and what is wanted.
 */
export function completeOptions(given: TrainOptions): Settings {
  const options = given.resume ? withSettings(given.resume, given) : given;
  const { initial, resume } = options;
  if (initial) checkSae(initial, "initial");
  const settings: Settings = {
    architecture: options.architecture,
    dictSize: options.dictSize ?? initial?.dictSize ?? NaN,
    k: options.k ?? initial?.k ?? NaN,
    learningRate: options.learningRate ?? 3e-4,
    warmupSteps: options.warmupSteps ?? 0,
    decaySteps: options.decaySteps ?? 0,
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.99,
    epsilon: options.epsilon ?? 1e-8,
    steps: options.steps,
    auxCoefficient: options.auxCoefficient ?? 1 / 32,
    auxK: options.auxK ?? 512,
    deadAfter: options.deadAfter ?? 5,
    thresholdBatches: options.thresholdBatches ?? 100,
    subtractDecoderBias: options.subtractDecoderBias ?? initial?.subtractDecoderBias ?? true,
    bDec: options.bDec ?? "zero",
    seed: options.seed ?? 0,
    initial,
    metadata: options.metadata ?? {},
    recordEvery: options.recordEvery ?? 50,
    checkpoint: options.checkpoint,
    resume,
    startBatch: options.startBatch ?? 0,
    signal: options.signal,
    onProgress: options.onProgress,
  };
  if (settings.architecture !== "batchtopk" && settings.architecture !== "topk") {
    throw new RangeError(
      `architecture is ${settings.architecture}, this version trains batchtopk and topk`,
    );
  }
  for (
    const name of ["dictSize", "auxK", "deadAfter", "thresholdBatches", "recordEvery"] as const
  ) {
    checkCount(settings[name], name);
  }
  checkK(settings.k, settings.dictSize);
  if (settings.steps !== undefined) checkCount(settings.steps, "steps");
  for (const name of ["warmupSteps", "decaySteps"] as const) {
    if (settings[name] !== 0) checkCount(settings[name], name);
  }
  if (settings.decaySteps > (settings.steps ?? 0)) {
    throw new RangeError(
      `decaySteps is ${settings.decaySteps}, steps ${settings.steps ?? "is not given"}: ` +
        `expected at most steps`,
    );
  }
  for (const name of ["learningRate", "epsilon", "auxCoefficient"] as const) {
    checkNumber(settings[name], 0, name);
  }
  for (const name of ["beta1", "beta2"] as const) {
    const beta = settings[name];
    if (!(beta >= 0 && beta < 1)) {
      throw new RangeError(`${name} is ${beta}, expected a number from 0 to below 1`);
    }
  }
  if (!["zero", "mean"].includes(settings.bDec)) {
    throw new RangeError(`bDec is ${settings.bDec}, expected "zero" or "mean"`);
  }
  if (initial && initial.dictSize !== settings.dictSize) {
    throw new RangeError(
      `dictSize is ${settings.dictSize}, but initial has ${initial.dictSize} latents`,
    );
  }
  if (initial && (initial.inputNormalization ?? "none") !== "none") {
    throw new RangeError(
      `initial.inputNormalization is ${initial.inputNormalization}, this version trains on "none"`,
    );
  }
  if (settings.checkpoint) checkCount(settings.checkpoint.every, "checkpoint.every");
  if (settings.startBatch !== 0) checkCount(settings.startBatch, "startBatch");
  if (resume) checkResume(resume, settings);
  return settings;
}

/** Options over those of a checkpoint. */
function withSettings({ settings }: Checkpoint, given: TrainOptions): TrainOptions {
  const own = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...settings, ...Object.fromEntries(own) } as unknown as TrainOptions;
}

/**
 * The learning rate of a step, from 1: rising over the first `warmupSteps`, falling to 0 over the
 * last `decaySteps` (the step after the last would have rate 0).
 */
export function learningRateAt(step: number, settings: Settings): number {
  const { learningRate, warmupSteps, decaySteps, steps } = settings;
  const rise = warmupSteps > 0 ? Math.min(1, step / warmupSteps) : 1;
  const fall = decaySteps > 0 ? Math.min(1, (steps! + 1 - step) / decaySteps) : 1;
  return learningRate * rise * fall;
}
