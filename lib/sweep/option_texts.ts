import type { Architecture } from "../sae/architectures/own_options.ts";
import { ARCHITECTURES } from "../sae/architectures/registry.ts";
import type { AnyTrainOptions } from "../training/options.ts";
import {
  architectureTakes,
  GRID_OPTIONS,
  type GridOption,
  isListOption,
  optionName,
} from "./grid.ts";

/** Options as texts that do not fit. */
export class OptionError extends Error {
  /** The name shown in front of the message. */
  override name: string = "OptionError";
}

/** Options of `trainSae` by their names on the command line and in files of grids, such as "dict-size". */
const KEYS: ReadonlyMap<string, GridOption> = new Map(
  GRID_OPTIONS.map((key) => [optionName(key), key]),
);

/** Options whose value is a word. */
const WORDS = [
  ...["architecture", "loss-normalization", "input-transform", "input-normalization", "init-bdec"],
];

/** Names of the options that say how an SAE is trained. */
export const TRAINING_OPTIONS: string[] = [...KEYS.keys()];

/** Those whose value is a list of numbers, separated by commas. */
export const LIST_OPTIONS: readonly string[] = GRID_OPTIONS.filter(isListOption).map(optionName);

/** The option of `trainSae` that one of {@linkcode TRAINING_OPTIONS} sets. */
export function optionKey(name: string): GridOption {
  return KEYS.get(name)!;
}

/**
 * The value that an option's text says.
 *
 * @throws {OptionError} It needs a number and is not one.
 */
export function optionValue(name: string, text: string): string | number | number[] {
  if (WORDS.includes(name)) return text;
  if (LIST_OPTIONS.includes(name)) return text.split(",").map((each) => number(name, each));
  return number(name, text);
}

/** Whether an architecture has an option of the command line; options that do not concern training apply to all. */
export function hasOption(architecture: string, name: string): boolean {
  return !KEYS.has(name) || architectureTakes(architecture, optionKey(name));
}

/**
 * The missing options of an SAE, in words; undefined where none is missing.
 *
 * @param given Whether an option is given.
 * @param initial Whether it starts from another SAE, which has a size and a k.
 * @throws {OptionError} There is no such architecture.
 */
export function missingOption(
  architecture: string,
  given: (name: string) => boolean,
  initial = false,
): string | undefined {
  if (!ARCHITECTURES.includes(architecture as Architecture)) {
    throw new OptionError(
      `--architecture is ${architecture}, expected ${ARCHITECTURES.join(", ")}`,
    );
  }
  if (!given("dict-size") && !initial) return "--dict-size is missing";
  if (hasOption(architecture, "k")) return given("k") || initial ? undefined : "--k is missing";
  if (given("target-l0") || given("sparsity")) return undefined;
  return "--target-l0 is missing (active latents per sample to end with), or --sparsity (λ)";
}

/**
 * The options of `trainSae` that the command line names.
 *
 * @param text An option's text, if it was given.
 * @throws {OptionError} An option that needs a number is not one.
 */
export function trainingOptions(text: (name: string) => string | undefined): AnyTrainOptions {
  const options: Record<string, string | number | number[]> = { architecture: "batchtopk" };
  for (const [name, key] of KEYS) {
    const value = text(name);
    if (value !== undefined) options[key] = optionValue(name, value);
  }
  return options as unknown as AnyTrainOptions;
}

/** {@linkcode trainingOptions} inverted: options as the command line names them. */
export function trainingTexts(options: Partial<AnyTrainOptions>): Record<string, string> {
  return Object.fromEntries(
    [...KEYS]
      .filter(([, key]) => options[key] !== undefined)
      .map(([name, key]) => [name, String(options[key])]),
  );
}

function number(name: string, value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) {
    throw new OptionError(`--${name} is ${value || "empty"}, expected a number`);
  }
  return number;
}
