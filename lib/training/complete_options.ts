import { checkCount, checkK, checkNumber, checkSae } from "../sae/check.ts";
import { checkInputScale } from "../sae/normalize_input.ts";
import { type Checkpoint, checkResume, decaysByDefault } from "./checkpoint.ts";
import { isRagged, type Settings, type TrainOptions } from "./options.ts";
import { defaultDecaySteps, defaultLearningRate } from "./schedule.ts";

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
  const dictSize = options.dictSize ?? initial?.dictSize ?? NaN;
  const settings: Settings = {
    architecture,
    dictSize,
    k: options.k ?? (ragged ? undefined : initial?.k) ?? NaN,
    sparsityCoefficient: options.sparsityCoefficient ?? (ragged ? NaN : 0),
    targetL0: options.targetL0,
    sparsityWarmupSteps: options.sparsityWarmupSteps ?? 0,
    bandwidth: options.bandwidth ?? (architecture === "jumprelu" ? 0.2 : 0),
    initialThreshold: options.initialThreshold,
    thresholdLearningRate: options.thresholdLearningRate,
    lossNormalization: options.lossNormalization ?? "none",
    inputNormalization: options.inputNormalization ?? initial?.inputNormalization ??
      "expected_average_only_in",
    inputScale: options.inputScale,
    learningRate: options.learningRate ?? startingRate(options, dictSize),
    warmupSteps: options.warmupSteps ?? 0,
    decaySteps: options.decaySteps ?? defaultDecaySteps(options.steps),
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.99,
    epsilon: options.epsilon ?? 1e-8,
    gradientClip: options.gradientClip ?? 0,
    steps: options.steps,
    auxCoefficient: options.auxCoefficient ?? (ragged ? 0 : 1 / 4),
    auxK: options.auxK ?? 512,
    deadAfter: options.deadAfter ?? 5,
    thresholdBatches: options.thresholdBatches ?? 32,
    subtractDecoderBias: options.subtractDecoderBias ?? initial?.subtractDecoderBias ?? true,
    bDec: options.bDec ?? "mean",
    seed: options.seed ?? 0,
    initial,
    freezeDecoder: options.freezeDecoder ?? false,
    metadata: options.metadata ?? {},
    recordEvery: options.recordEvery ?? 50,
    checkpoint: options.checkpoint,
    resume,
    startBatch: options.startBatch ?? 0,
    signal: options.signal,
    onProgress: options.onProgress,
    onWarning: options.onWarning,
  };
  checkArchitecture(options, settings);
  checkSparsity(settings);
  for (
    const name of ["dictSize", "auxK", "deadAfter", "thresholdBatches", "recordEvery"] as const
  ) {
    checkCount(settings[name], name);
  }
  if (!ragged) checkK(settings.k, settings.dictSize);
  if (settings.steps !== undefined) checkCount(settings.steps, "steps");
  for (const name of ["warmupSteps", "decaySteps", "sparsityWarmupSteps"] as const) {
    if (settings[name] !== 0) checkCount(settings[name], name);
  }
  if (settings.decaySteps > (settings.steps ?? 0)) {
    throw new RangeError(
      `decaySteps is ${settings.decaySteps}, steps ${settings.steps ?? "is not given"}: ` +
        `expected at most steps`,
    );
  }
  for (
    const name of [...COEFFICIENTS, "gradientClip"] as const
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
  if (![true, false, "directions"].includes(settings.freezeDecoder)) {
    throw new RangeError(
      `freezeDecoder is ${settings.freezeDecoder}, expected true, false or "directions"`,
    );
  }
  if (initial && initial.dictSize !== settings.dictSize) {
    throw new RangeError(
      `dictSize is ${settings.dictSize}, but initial has ${initial.dictSize} latents`,
    );
  }
  // Where the scale is still to be found, any will do for the check.
  const { inputNormalization, inputScale } = settings;
  const toEstimate = inputNormalization === "expected_average_only_in" ? 1 : undefined;
  checkInputScale({ inputNormalization, inputScale: inputScale ?? toEstimate }, "");
  if (settings.checkpoint) checkCount(settings.checkpoint.every, "checkpoint.every");
  if (settings.startBatch !== 0) checkCount(settings.startBatch, "startBatch");
  if (resume) checkResume(resume, settings);
  return settings;
}

/** What was trained before is not thrown off what it learned. */
function startingRate(options: TrainOptions, dictSize: number): number {
  return options.initial ? FURTHER_RATE : defaultLearningRate({ ...options, dictSize });
}

/** Options over those of a checkpoint. */
function withSettings({ settings }: Checkpoint, given: TrainOptions): TrainOptions {
  const own = Object.entries(given).filter(([, value]) => value !== undefined);
  // A fifth of the steps is a fifth of other steps too.
  const follows = given.steps !== undefined && decaysByDefault(settings)
    ? { decaySteps: defaultDecaySteps(given.steps) }
    : {};
  return { ...settings, ...follows, ...Object.fromEntries(own) } as unknown as TrainOptions;
}

/** One of λ and a target L0, and what goes with it. */
function checkSparsity(settings: Settings): void {
  const { architecture, sparsityCoefficient, targetL0, dictSize, sparsityWarmupSteps } = settings;
  if (targetL0 === undefined) {
    if (Number.isNaN(sparsityCoefficient)) {
      throw new RangeError(
        `${architecture} needs targetL0, active latents a sample to end with, or sparsityCoefficient (λ)`,
      );
    }
    return checkNumber(sparsityCoefficient, 0, "sparsityCoefficient");
  }
  if (!(targetL0 > 0 && targetL0 < dictSize)) {
    throw new RangeError(
      `targetL0 is ${targetL0}, expected a number above 0 and below dictSize, ${dictSize}`,
    );
  }
  if (!Number.isNaN(sparsityCoefficient)) {
    throw new RangeError(
      `sparsityCoefficient is ${sparsityCoefficient} and targetL0 ${targetL0}: expected one of them, as ` +
        `the second steers λ`,
    );
  }
  if (sparsityWarmupSteps > 0) {
    throw new RangeError(
      `sparsityWarmupSteps is ${sparsityWarmupSteps}, but targetL0 steers λ from the first step: expected ` +
        `one of them`,
    );
  }
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
    : ["sparsityCoefficient", "targetL0", "sparsityWarmupSteps"] as const;
  for (const name of [...foreign, ...architecture === "jumprelu" ? [] : JUMP_OPTIONS]) {
    if (options[name]) {
      throw new RangeError(`${name} is ${options[name]}, ${architecture} has none`);
    }
  }
  if (architecture !== "jumprelu") return;
  if (settings.thresholdLearningRate !== undefined) {
    checkNumber(settings.thresholdLearningRate, 0, "thresholdLearningRate");
  }
  checkPositive(settings.bandwidth, "bandwidth");
  if (settings.initialThreshold !== undefined) {
    checkPositive(settings.initialThreshold, "initialThreshold");
  } else {
    // Its logarithm is what is trained.
    initial?.threshold?.forEach((value, i) => checkPositive(value, `initial.threshold[${i}]`));
  }
}

const FURTHER_RATE = 3e-4;
const COEFFICIENTS = ["learningRate", "epsilon", "auxCoefficient"] as const;
const JUMP_OPTIONS = ["bandwidth", "initialThreshold", "thresholdLearningRate"] as const;

function checkPositive(value: number, name: string): void {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new RangeError(`${name} is ${value}, expected a number above 0`);
  }
}
