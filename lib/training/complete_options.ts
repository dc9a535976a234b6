import { architectureOf, hasOwnOption, OWN_OPTIONS } from "../sae/architectures/registry.ts";
import { checkSae } from "../sae/check.ts";
import { checkNumber } from "../sae/check_numbers.ts";
import { checkInputTransform } from "../sae/input_transform.ts";
import { checkInputScale } from "../sae/normalize_input.ts";
import type { InputTransform } from "../sae/sae.ts";
import { checkWhole } from "../whole_number.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { checkResume, decaysByDefault } from "./resume.ts";
import type { AnyTrainOptions, Settings, TrainOptions } from "./options.ts";
import { defaultDecaySteps, defaultLearningRate } from "./schedule.ts";

/**
 * Checks options that are known as data only, as `trainSae` would: for code in which the architecture is a
 * value.
 *
 * @returns The same object.
 * @throws {RangeError | TypeError} An option is missing, does not fit, or belongs to another architecture.
 *
 * @example An SAE of each architecture that a file lists
 * ```ts ignore
 * const options = JSON.parse(await Deno.readTextFile("options.json")) as AnyTrainOptions[];
 * const trained = await trainSaes(device, batches, options.map(checkTrainOptions));
 * ```
 */
export function checkTrainOptions(options: AnyTrainOptions): TrainOptions {
  completeOptions(options);
  return options as TrainOptions;
}

/**
 * Fills in defaults and checks each option.
 *
 * @throws {RangeError | TypeError} Naming the option, what was found and what is wanted.
 */
export function completeOptions(given: AnyTrainOptions): Settings {
  const options = given.resume ? withSettings(given.resume, given) : given;
  const { initial, resume, architecture } = options;
  const kind = architectureOf(architecture);
  checkForeign(options);
  if (initial) checkSae(initial, "initial");
  const dictSize = options.dictSize ?? initial?.dictSize ?? NaN;
  const settings: Settings = {
    architecture,
    dictSize,
    ...NOT_THERE,
    ...kind.defaults(options, { dictSize, initial }),
    lossNormalization: options.lossNormalization ?? "none",
    inputTransform: startingTransform(options),
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
  for (
    const name of ["dictSize", "auxK", "deadAfter", "thresholdBatches", "recordEvery"] as const
  ) {
    checkWhole(settings[name], name);
  }
  kind.check(settings);
  if (settings.steps !== undefined) checkWhole(settings.steps, "steps");
  for (const name of ["warmupSteps", "decaySteps"] as const) {
    if (settings[name] !== 0) checkWhole(settings[name], name);
  }
  if (settings.decaySteps > (settings.steps ?? 0)) {
    throw new RangeError(
      `decaySteps is ${settings.decaySteps}, steps ${settings.steps ?? "is not given"}: ` +
        `expected at most steps`,
    );
  }
  for (const name of ["learningRate", "epsilon", "gradientClip"] as const) {
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
  if (settings.checkpoint) checkWhole(settings.checkpoint.every, "checkpoint.every");
  if (settings.startBatch !== 0) checkWhole(settings.startBatch, "startBatch");
  if (resume) checkResume(resume, settings);
  return settings;
}

/** None is left out: checkpoints from before there were transforms say nothing of one. */
function startingTransform(
  { inputTransform, initial }: AnyTrainOptions,
): InputTransform | undefined {
  checkInputTransform(inputTransform, "inputTransform");
  const transform = inputTransform ?? initial?.inputTransform ?? "none";
  return transform === "none" ? undefined : transform;
}

/** What was trained before is not thrown off what it learned. */
function startingRate(options: AnyTrainOptions, dictSize: number): number {
  return options.initial ? FURTHER_RATE : defaultLearningRate({ ...options, dictSize });
}

/** Options over those of a checkpoint. */
function withSettings({ settings }: Checkpoint, given: AnyTrainOptions): AnyTrainOptions {
  const own = Object.entries(given).filter(([, value]) => value !== undefined);
  // A fifth of the steps is a fifth of other steps too.
  const follows = given.steps !== undefined && decaysByDefault(settings)
    ? { decaySteps: defaultDecaySteps(given.steps) }
    : {};
  return { ...settings, ...follows, ...Object.fromEntries(own) } as unknown as AnyTrainOptions;
}

/** Own options of architectures where an architecture has none of them. */
const NOT_THERE = {
  ...{ k: NaN, auxCoefficient: 0 },
  ...{ sparsityCoefficient: 0, sparsityWarmupSteps: 0, bandwidth: 0 },
};

const FURTHER_RATE = 3e-4;

/** An option that belongs to other architectures is an error, as its silence would mislead. */
function checkForeign(options: AnyTrainOptions): void {
  const { architecture } = options;
  for (const name of Object.keys(OWN_OPTIONS) as (keyof typeof OWN_OPTIONS)[]) {
    if (options[name] && !hasOwnOption(architecture, name)) {
      throw new RangeError(`${name} is ${options[name]}, ${architecture} has none`);
    }
  }
}
