import type { TrainOptions } from "../mod.ts";
import { UsageError } from "./command.ts";

/** The command line's names of what `trainSae` is told. */
const KEYS = {
  architecture: "architecture",
  "dict-size": "dictSize",
  k: "k",
  sparsity: "sparsityCoefficient",
  bandwidth: "bandwidth",
  "initial-threshold": "initialThreshold",
  "loss-normalization": "lossNormalization",
  lr: "learningRate",
  "warmup-steps": "warmupSteps",
  "decay-steps": "decaySteps",
  beta1: "beta1",
  beta2: "beta2",
  epsilon: "epsilon",
  "aux-coefficient": "auxCoefficient",
  "aux-k": "auxK",
  "dead-after": "deadAfter",
  "threshold-batches": "thresholdBatches",
  "init-bdec": "bDec",
  steps: "steps",
  seed: "seed",
} satisfies Record<string, keyof TrainOptions>;

/** Options whose value is a word. */
const WORDS = ["architecture", "loss-normalization", "init-bdec"];

/** Names of the options that say how an SAE is trained. */
export const TRAINING_OPTIONS: string[] = Object.keys(KEYS);

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
