import { checkCount, checkK, checkNumber, checkSae } from "../sae/check.ts";
import type { Architecture, Sae } from "../sae/sae.ts";
import { type Checkpoint, checkResume } from "./checkpoint.ts";

/** What a training step did. One record a step. */
export interface StepRecord {
  /** Number of the step, from 1. */
  step: number;
  /** Samples seen so far, this step's included. */
  samples: number;
  /** What the step minimised: reconstruction loss + auxiliary loss + sparsity loss. */
  loss: number;
  /** Mean over samples and dimensions of (x − x̂)², after `lossNormalization`. */
  reconstructionLoss: number;
  /** α · mean over samples and dimensions of (ê − e)²; 0 while no latent is dead. */
  auxiliaryLoss: number;
  /** relu: λ · mean over samples of Σ f; jumprelu: λ · mean over samples of L0; others 0. */
  sparsityLoss: number;
  /** Active latents a sample. */
  l0: number;
  /** Latents inactive in each of the last `deadAfter` batches. */
  deadLatents: number;
  /** Smallest activation kept in this batch (Eq. 8 averages these); 0 where none was. */
  smallestKept: number;
  /** Mean over latents of the threshold θ that the step started with; jumprelu only. */
  meanThreshold?: number;
}

/** Options of {@linkcode trainSae}. */
export interface TrainOptions {
  /** How latents are selected. */
  architecture: Architecture;
  /** Number of latents m (default: that of `initial`). */
  dictSize?: number;
  /** topk, batchtopk: active latents a sample, for batchtopk on average (default: that of `initial`). */
  k?: number;
  /** relu, jumprelu: λ, weight of the sparsity loss; needed there. */
  sparsityCoefficient?: number;
  /**
   * jumprelu: ε, width of the window around θ in which a pre-activation z counts for θ's gradient,
   * |z − θ| < ε/2, in units of the activations (default 0.001).
   */
  bandwidth?: number;
  /** jumprelu: start of every threshold θ (default: those of `initial`, else 0.01). */
  initialThreshold?: number;
  /**
   * What the squared errors of a sample are divided by: nothing ("none", the default), or its distance
   * from the mean of the batch, ‖x − x̄‖₂ ("input_deviation": the loss is then the mean over n·d of
   * e² / ‖x − x̄‖₂, as in the ReLU SAEs of the paper; a sample equal to the mean counts nothing).
   */
  lossNormalization?: "none" | "input_deviation";
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
  /** topk, batchtopk: α, weight of the auxiliary loss (default 1/32; 0 turns it off). */
  auxCoefficient?: number;
  /** Most dead latents a sample that reconstruct its residual (default 512). */
  auxK?: number;
  /** Batches without activity, the current one included, after which a latent is dead (default 5). */
  deadAfter?: number;
  /** Batches whose smallest kept activation is averaged into the threshold (Eq. 8; default 100). */
  thresholdBatches?: number;
  /** Whether the encoder reads x − bDec (default: as `initial`, else true, false for jumprelu). */
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

type Optional =
  | "initial"
  | "initialThreshold"
  | "steps"
  | "checkpoint"
  | "resume"
  | "signal"
  | "onProgress";

/** Whether every latent above its threshold is active, so that there is no k: relu and jumprelu. */
export function isRagged(architecture: Architecture): boolean {
  return architecture === "relu" || architecture === "jumprelu";
}

/**
 * Fills in defaults and checks each option.
 *
 * @throws {RangeError | TypeError} Naming the option, what was found and what is wanted.
 */
export function completeOptions(given: TrainOptions): Settings {
  const options = given.resume ? withSettings(given.resume, given) : given;
  const { initial, resume, architecture } = options;
  const ragged = isRagged(architecture);
  if (initial) checkSae(initial, "initial");
  const settings: Settings = {
    architecture,
    dictSize: options.dictSize ?? initial?.dictSize ?? NaN,
    k: options.k ?? (ragged ? undefined : initial?.k) ?? NaN,
    sparsityCoefficient: options.sparsityCoefficient ?? (ragged ? NaN : 0),
    bandwidth: options.bandwidth ?? (architecture === "jumprelu" ? 0.001 : 0),
    initialThreshold: options.initialThreshold,
    lossNormalization: options.lossNormalization ?? "none",
    learningRate: options.learningRate ?? 3e-4,
    warmupSteps: options.warmupSteps ?? 0,
    decaySteps: options.decaySteps ?? 0,
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.99,
    epsilon: options.epsilon ?? 1e-8,
    steps: options.steps,
    auxCoefficient: options.auxCoefficient ?? (ragged ? 0 : 1 / 32),
    auxK: options.auxK ?? 512,
    deadAfter: options.deadAfter ?? 5,
    thresholdBatches: options.thresholdBatches ?? 100,
    subtractDecoderBias: options.subtractDecoderBias ?? initial?.subtractDecoderBias ??
      architecture !== "jumprelu",
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
  checkArchitecture(options, settings);
  for (
    const name of ["dictSize", "auxK", "deadAfter", "thresholdBatches", "recordEvery"] as const
  ) {
    checkCount(settings[name], name);
  }
  if (!ragged) checkK(settings.k, settings.dictSize);
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
  for (
    const name of ["learningRate", "epsilon", "auxCoefficient", "sparsityCoefficient"] as const
  ) {
    checkNumber(settings[name], 0, name);
  }
  for (const name of ["beta1", "beta2"] as const) {
    const beta = settings[name];
    if (!(beta >= 0 && beta < 1)) {
      throw new RangeError(`${name} is ${beta}, expected a number from 0 to below 1`);
    }
  }
  if (!["none", "input_deviation"].includes(settings.lossNormalization)) {
    throw new RangeError(
      `lossNormalization is ${settings.lossNormalization}, expected "none" or "input_deviation"`,
    );
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

/** Options that belong to an architecture: a wrong one is an error, as its silence would mislead. */
function checkArchitecture(options: TrainOptions, settings: Settings): void {
  const { architecture, initial } = settings;
  if (!["relu", "topk", "batchtopk", "jumprelu"].includes(architecture)) {
    throw new RangeError(
      `architecture is ${architecture}, expected "relu", "topk", "batchtopk" or "jumprelu"`,
    );
  }
  const foreign = isRagged(architecture)
    ? ["k", "auxCoefficient"] as const
    : ["sparsityCoefficient"] as const;
  for (const name of [...foreign, ...architecture === "jumprelu" ? [] : JUMP_OPTIONS]) {
    if (options[name]) {
      throw new RangeError(`${name} is ${options[name]}, ${architecture} has none`);
    }
  }
  if (architecture !== "jumprelu") return;
  checkPositive(settings.bandwidth, "bandwidth");
  if (settings.initialThreshold !== undefined) {
    checkPositive(settings.initialThreshold, "initialThreshold");
  } else {
    // Its logarithm is what is trained.
    initial?.threshold?.forEach((value, i) => checkPositive(value, `initial.threshold[${i}]`));
  }
}

const JUMP_OPTIONS = ["bandwidth", "initialThreshold"] as const;

function checkPositive(value: number, name: string): void {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new RangeError(`${name} is ${value}, expected a number above 0`);
  }
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
