import type { TrainOptions } from "../mod.ts";
import {
  type Architecture,
  ARCHITECTURES,
  hasOwnOption,
  OWN_OPTIONS,
} from "../lib/sae/architectures/registry.ts";
import { UsageError } from "./command.ts";

/** Options that not all architectures have. */
const OWN = Object.entries(OWN_OPTIONS) as [
  keyof typeof OWN_OPTIONS,
  (typeof OWN_OPTIONS)[keyof typeof OWN_OPTIONS],
][];

/** The command line's names of what `trainSae` is told. */
const KEYS: Readonly<Record<string, keyof TrainOptions>> = {
  architecture: "architecture",
  "dict-size": "dictSize",
  ...Object.fromEntries(OWN.map(([key, { flag }]) => [flag, key])),
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
  "aux-k": "auxK",
  "dead-after": "deadAfter",
  "threshold-batches": "thresholdBatches",
  "init-bdec": "bDec",
  steps: "steps",
  seed: "seed",
};

/** Options whose value is a word. */
const WORDS = ["architecture", "loss-normalization", "input-normalization", "init-bdec"];

/** Names of the options that say how an SAE is trained. */
export const TRAINING_OPTIONS: string[] = Object.keys(KEYS);

/** Those whose value is a list of numbers, separated by commas. */
export const LIST_OPTIONS: readonly string[] = OWN
  .filter(([, { list }]) => list).map(([, { flag }]) => flag);

/** The names of all architectures, for the help. */
export const ARCHITECTURE_NAMES: string = ARCHITECTURES.join(", ");

/** The options that not all architectures have, for the help. */
export const OWN_HELP: string = OWN.map(([key, { flag, value, help }]) => {
  const whose = ARCHITECTURES.filter((name) => hasOwnOption(name, key)).join(", ");
  return helpLine(`--${flag} ${value}`, `${whose}: ${help}`);
}).join("\n");

/** An option of the help: its text in lines of at most 100 characters. */
function helpLine(option: string, text: string): string {
  const lines = [option.length < 20 ? `  ${option}`.padEnd(21) : `  ${option}  `];
  for (const word of text.split(" ")) {
    if (lines[lines.length - 1].length + 1 + word.length > 100) lines.push(" ".repeat(21));
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.join("\n");
}

/** Whether an architecture has an option of the command line. */
export function hasOption(architecture: string, name: string): boolean {
  const own = OWN.find(([, { flag }]) => flag === name);
  return !own || hasOwnOption(architecture, own[0]);
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
  if (!ARCHITECTURES.includes(architecture as Architecture)) {
    throw new UsageError(`--architecture is ${architecture}, expected ${ARCHITECTURE_NAMES}`);
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
  const options: Record<string, string | number | number[]> = { architecture: "batchtopk" };
  for (const [name, key] of Object.entries(KEYS)) {
    const value = text(name);
    if (value === undefined) continue;
    if (WORDS.includes(name)) options[key] = value;
    else if (LIST_OPTIONS.includes(name)) {
      options[key] = value.split(",").map((each) => number(name, each));
    } else options[key] = number(name, value);
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
