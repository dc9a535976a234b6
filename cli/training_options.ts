import type { TrainOptions } from "../mod.ts";
import { UsageError } from "./command.ts";

/** The command line's names of what `trainSae` is told. */
const KEYS = {
  architecture: "architecture",
  "dict-size": "dictSize",
  k: "k",
  "target-l0": "targetL0",
  sparsity: "sparsityCoefficient",
  "sparsity-warmup-steps": "sparsityWarmupSteps",
  bandwidth: "bandwidth",
  "initial-threshold": "initialThreshold",
  "threshold-lr": "thresholdLearningRate",
  "loss-normalization": "lossNormalization",
  "input-normalization": "inputNormalization",
  "input-scale": "inputScale",
  lr: "learningRate",
  "warmup-steps": "warmupSteps",
  "decay-steps": "decaySteps",
  beta1: "beta1",
  beta2: "beta2",
  epsilon: "epsilon",
  "gradient-clip": "gradientClip",
  "aux-coefficient": "auxCoefficient",
  "aux-k": "auxK",
  "dead-after": "deadAfter",
  "threshold-batches": "thresholdBatches",
  "init-bdec": "bDec",
  steps: "steps",
  seed: "seed",
} satisfies Record<string, keyof TrainOptions>;

/** Options whose value is a word. */
const WORDS = ["architecture", "loss-normalization", "input-normalization", "init-bdec"];

const ARCHITECTURES = ["batchtopk", "topk", "relu", "jumprelu"];

/** Options that only some architectures have. */
const ONLY: Record<string, string[]> = {
  k: ["batchtopk", "topk"],
  "aux-coefficient": ["batchtopk", "topk"],
  "target-l0": ["relu", "jumprelu"],
  sparsity: ["relu", "jumprelu"],
  "sparsity-warmup-steps": ["relu", "jumprelu"],
  bandwidth: ["jumprelu"],
  "initial-threshold": ["jumprelu"],
  "threshold-lr": ["jumprelu"],
};

/** Names of the options that say how an SAE is trained. */
export const TRAINING_OPTIONS: string[] = Object.keys(KEYS);

/** Whether an architecture has an option of the command line. */
export function hasOption(architecture: string, name: string): boolean {
  return ONLY[name]?.includes(architecture) ?? true;
}

/**
 * What an SAE needs and is not given, in words; undefined where it has all.
 *
 * @param given Whether an option is given.
 * @param initial Whether it starts from another, which has a size and a k.
 * @throws {UsageError} There is no such architecture.
 */
export function missingOption(
  architecture: string,
  given: (name: string) => boolean,
  initial = false,
): string | undefined {
  if (!ARCHITECTURES.includes(architecture)) {
    throw new UsageError(
      `--architecture is ${architecture}, expected ${ARCHITECTURES.join(", ")}`,
    );
  }
  if (!given("dict-size") && !initial) return "--dict-size is missing";
  if (hasOption(architecture, "k")) return given("k") || initial ? undefined : "--k is missing";
  if (given("target-l0") || given("sparsity")) return undefined;
  return "--target-l0 is missing (active latents a sample to end with), or --sparsity (λ)";
}

/**
 * The options of `trainSae` that the command line names.
 *
 * @param text An option's text, if it was given.
 * @throws {UsageError} One is no number where one is wanted.
 */
export function trainingOptions(text: (name: string) => string | undefined): TrainOptions {
  const options: Record<string, string | number> = { architecture: "batchtopk" };
  for (const [name, key] of Object.entries(KEYS)) {
    const value = text(name);
    if (value === undefined) continue;
    options[key] = WORDS.includes(name) ? value : number(name, value);
  }
  return options as unknown as TrainOptions;
}

/** {@linkcode trainingOptions} the other way round: options as the command line names them. */
export function trainingTexts(options: Partial<TrainOptions>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(KEYS)
      .filter(([, key]) => options[key] !== undefined)
      .map(([name, key]) => [name, String(options[key])]),
  );
}

function number(name: string, value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) {
    throw new UsageError(`--${name} is ${value || "empty"}, expected a number`);
  }
  return number;
}
