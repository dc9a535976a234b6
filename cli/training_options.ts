import type { TrainOptions } from "../mod.ts";
import { UsageError } from "./command.ts";

/** The command line's names of what `trainSae` is told. */
const KEYS = {
  architecture: "architecture",
  "dict-size": "dictSize",
  k: "k",
  sparsity: "sparsityCoefficient",
  "sparsity-warmup-steps": "sparsityWarmupSteps",
  bandwidth: "bandwidth",
  "initial-threshold": "initialThreshold",
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
  sparsity: ["relu", "jumprelu"],
  "sparsity-warmup-steps": ["relu", "jumprelu"],
  bandwidth: ["jumprelu"],
  "initial-threshold": ["jumprelu"],
};

/** Names of the options that say how an SAE is trained. */
export const TRAINING_OPTIONS: string[] = Object.keys(KEYS);

/** Whether an architecture has an option of the command line. */
export function hasOption(architecture: string, name: string): boolean {
  return ONLY[name]?.includes(architecture) ?? true;
}

/**
 * The options that an SAE to be trained from scratch needs.
 *
 * @throws {UsageError} There is no such architecture.
 */
export function neededOptions(architecture: string): string[] {
  if (!ARCHITECTURES.includes(architecture)) {
    throw new UsageError(
      `--architecture is ${architecture}, expected ${ARCHITECTURES.join(", ")}`,
    );
  }
  return ["dict-size", hasOption(architecture, "k") ? "k" : "sparsity"];
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
