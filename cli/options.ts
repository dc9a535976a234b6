import { parseArgs } from "@std/cli";
import { isWhole } from "../lib/whole_number.ts";
import { UsageError } from "./io.ts";

/** Options as given: texts for those with a value, true for flags. */
export type GivenOptions = Record<string, string[] | true>;

/** Parsed arguments: every option by name, and the rest in order. */
export interface Arguments {
  /** The options that are set, as plain JSON. */
  given: GivenOptions;
  /** Positional arguments. */
  positional: string[];
  /** The first positional argument. */
  first: string | undefined;
  /** Whether a flag is set. */
  flag(name: string): boolean;
  /** An option's text, if it was given. */
  text(name: string): string | undefined;
  /** An option's text, which must be given. */
  required(name: string): string;
  /** Every value of an option that may be repeated. */
  texts(name: string): string[];
  /** An option's number, if it was given. */
  number(name: string): number | undefined;
  /** The same arguments with defaults for options that are not set. */
  withDefaults(before: GivenOptions): Arguments;
}

/**
 * Parses a command's arguments.
 *
 * @param names Its options; an unknown one is an error.
 * @param before Defaults for options that are not set.
 * @throws {UsageError} An option is unknown or lacks its value. Numbers are checked when they are read.
 */
export function parseArguments(
  args: string[],
  names: OptionNames,
  before: GivenOptions = {},
): Arguments {
  const { values, flags } = names;
  const unknown: string[] = [];
  const parsed = parseArgs(args, {
    string: values,
    boolean: flags,
    collect: values,
    unknown: (argument) => {
      if (argument.startsWith("-") && argument !== "-") unknown.push(argument);
      return true;
    },
  }) as Record<string, unknown> & { _: (string | number)[] };
  if (unknown.length > 0) {
    throw new UsageError(
      /^-[\d.]/.test(unknown[0])
        ? `${unknown[0]} looks like an option: write a number below 0 as --name=${unknown[0]}`
        : `unknown option ${unknown[0]}`,
    );
  }
  const given: GivenOptions = { ...before };
  for (const name of values) {
    const all = (parsed[name] ?? []) as string[];
    if (all.length > 0) given[name] = all;
  }
  for (const name of flags) if (parsed[name] === true) given[name] = true;
  const texts = (name: string): string[] => {
    const all = (given[name] ?? []) as string[];
    if (all.includes("")) throw new UsageError(`--${name} needs a value`);
    return all;
  };
  const text = (name: string): string | undefined => {
    const all = texts(name);
    if (all.length > 1) throw new UsageError(`--${name} was given ${all.length} times`);
    return all[0];
  };
  return {
    given,
    positional: parsed._.map(String),
    first: args[0],
    withDefaults: (before) => parseArguments(args, names, before),
    flag: (name) => given[name] === true,
    text,
    texts,
    required(name) {
      const value = text(name);
      if (value === undefined) throw new UsageError(`--${name} is missing`);
      return value;
    },
    number(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      const number = Number(value);
      if (!Number.isFinite(number)) {
        throw new UsageError(`--${name} is ${value}, expected a number`);
      }
      return number;
    },
  };
}

/**
 * Separates a command's own options from arguments of another command. An own option takes the next argument
 * as its value, whatever it begins with: `--sbatch --time=1:00:00`.
 */
export function splitArguments(
  args: string[],
  { values, flags }: OptionNames,
): { own: string[]; others: string[] } {
  const own: string[] = [];
  const others: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const name = /^--([\w-]+)/.exec(args[i])?.[1] ?? "";
    const takesNext = args[i] === `--${name}` && values.includes(name) && i + 1 < args.length;
    if (takesNext) own.push(`--${name}=${args[++i]}`);
    else (values.includes(name) || flags.includes(name) ? own : others).push(args[i]);
  }
  return { own, others };
}

/** Names of a command's options. */
export interface OptionNames {
  /** Those with a value. */
  values: string[];
  /** Those without. */
  flags: string[];
}

/** An option of a command. */
export interface Option {
  /** Its name without the dashes. */
  name: string;
  /** What its value is called in the help; a flag has none. */
  value?: string;
  /** What the help says of it. */
  help: string;
  /** Smallest value, for options with a whole number. */
  least?: number;
  /** The allowed values. */
  choices?: readonly string[];
  /** Whether it is required. */
  required?: boolean;
}

/** Options of a command under their headlines in the help. */
export type Options = readonly (readonly [title: string, options: readonly Option[]])[];

/** Options that several commands share, by name: their value and help text. */
const SHARED = {
  activations: ["FOLDER", "what `saewing harvest` wrote, in place of model, hook and text"],
  model: ["ID", "folder with config.json, tokenizer.json and onnx/, or a Hugging Face id"],
  hook: ["NAME", "where in the model, such as blocks.8.hook_resid_pre"],
  text: ["FILES", ".txt, .jsonl, .csv (also .gz): file, folder or glob; may be repeated"],
  field: ["NAME", "field or column that holds the text (default: text)"],
  context: ["N", "tokens per row, BOS included (default: 128 or what the model takes)"],
  "include-bos": [undefined, "also uses the BOS position"],
  "prepend-bos": [
    "yes|no",
    "whether rows of tokens begin with BOS (default: as the SAE's config says, prepend_bos; else yes)",
  ],
  "input-transform": [
    "KIND",
    "center subtracts from each activation its mean over d, none does not (default: by the SAE's config; " +
    "where it does not say, a rule decides and a note is printed)",
  ],
  "input-scale": [
    "X",
    "input factor of an SAE with expected_average_only_in normalisation, where its files lack it",
  ],
  "max-norm-multiple": [
    "N",
    "excludes activations above N times the median norm (default 10, none: no limit), measured on " +
    "the first 4096 activations; a store's own, if it has one",
  ],
  "model-device": [
    "KIND",
    "where the model runs: cpu (default), auto (WebGPU where there is a GPU), webgpu, cuda, coreml, dml",
  ],
  dtype: ["NAME", "weights of the model: fp32 (default), fp16, q8, q4 …"],
  revision: ["NAME", "branch, tag or commit on the hub (default main)"],
  "cache-dir": ["FOLDER", "where downloads go"],
  epochs: ["N", "passes over all activations (default 1, or as many as --steps needs)"],
  "batch-size": ["N", "activations per step (default 2048)"],
  buffer: ["N", "activations held in memory for shuffling (default: 64 batches)"],
  preset: ["NAME", "sets the options of a preset; others override it"],
  "eval-text": ["FILES", "held-out text to measure on; may be repeated"],
  "eval-rows": ["N", "largest number of its token rows (default 64)"],
  examples: ["N", "token rows of it"],
  "checkpoint-every": ["N", "steps between two checkpoints (default 500, 0: none)"],
  seed: ["N", "seed of random choices (default 0)"],
  out: ["FOLDER", "where results go"],
  overwrite: [
    undefined,
    "replaces a run that the folder holds: its files are removed, those of others stay",
  ],
  device: ["KIND", "auto (default), gpu, cpu or software; also SAEWING_DEVICE"],
  quiet: [undefined, "no progress"],
  json: [undefined, "one JSON object per line instead of text"],
} as const;

/** Smallest values of shared options with a whole number. */
const LEAST: Record<string, number> = {
  epochs: 1,
  "batch-size": 1,
  "eval-rows": 1,
  "checkpoint-every": 0,
};

/** Values of shared options that take one of a few. */
const CHOICES: Record<string, readonly string[]> = { "prepend-bos": ["yes", "no"] };

/** A shared option, with a command's own text or other properties. */
export function shared(
  name: keyof typeof SHARED,
  help?: string,
  own: Partial<Option> = {},
): Option {
  const [value, text] = SHARED[name];
  return { name, value, help: help ?? text, least: LEAST[name], choices: CHOICES[name], ...own };
}

const GROUPS = {
  // How a model's weights are found, and where it runs.
  loading: ["dtype", "model-device", "revision", "cache-dir"],
  // The last options of commands that use a device.
  last: ["device", "quiet", "json"],
} as const;

/** Shared options that go together. */
export function group(name: keyof typeof GROUPS): Option[] {
  return GROUPS[name].map((option) => shared(option));
}

/** Text in which an SAE's latents are looked for, and the model that reads it. */
export const TEXT_OF_SAE: readonly Option[] = [
  shared("text", undefined, { required: true }),
  shared("field"),
  shared("examples", "token rows to read (default: all text)", { least: 1 }),
  shared("model", "the model whose activations are read (default: what the SAE's config names)"),
  shared("hook", "default: the hook that the SAE's config names"),
  shared("context", "tokens per row (default: the SAE's own context size)"),
  shared("include-bos", "also measures the BOS position"),
  shared("prepend-bos"),
  shared(
    "max-norm-multiple",
    "excludes activations above N times the median norm; none: no limit (default: as the SAE was trained, else 10)",
  ),
  ...group("loading"),
];

/** Names of a table's options with a value, and of its flags. */
export function namesOf(table: Options): OptionNames {
  const all = table.flatMap(([_, options]) => options);
  const named = (isFlag: boolean) =>
    all.filter(({ value }) => (value === undefined) === isFlag).map(({ name }) => name);
  return { values: named(false), flags: named(true) };
}

/** A help text: what stands before the options, the table, what stands after. */
export function helpOf(before: string, table: Options, after: string): string {
  const groups = table.map(([title, options]) => [title, ...options.map(helpLine)].join("\n"));
  return [before.trim(), ...groups, after.trim()].join("\n\n") + "\n";
}

/** An option of the help: its text in lines of at most 100 characters. */
function helpLine({ name, value, help }: Option): string {
  const option = value === undefined ? `--${name}` : `--${name} ${value}`;
  const lines = [option.length < 20 ? `  ${option}`.padEnd(21) : `  ${option}  `];
  for (const word of help.split(" ")) {
    if (lines[lines.length - 1].length + 1 + word.length > 100) lines.push(" ".repeat(21));
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.join("\n");
}

/**
 * Checks arguments against a table of options.
 *
 * @param most Largest number of positional arguments.
 * @throws {UsageError} There are more, an option is missing, or a value is invalid.
 */
export function checkOptions(options: Arguments, table: Options, most = 0): void {
  if (options.positional.length > most) {
    throw new UsageError(`unexpected argument ${options.positional[most]}`);
  }
  for (const { name, value, least, choices, required } of table.flatMap(([_, each]) => each)) {
    if (required && options.texts(name).length === 0) throw new UsageError(`--${name} is missing`);
    if (least !== undefined) checkWhole(options, [name], least);
    const text = choices && value && options.text(name);
    if (text !== undefined && !choices!.includes(text)) {
      const known = `${choices!.slice(0, -1).join(", ")} or ${choices!.at(-1)}`;
      throw new UsageError(`--${name} is ${text}, expected ${known}`);
    }
  }
}

/**
 * Checks options with a whole number, where given.
 *
 * @param least The smallest value.
 * @throws {UsageError} One is not a whole number from `least` on.
 */
export function checkWhole(options: Arguments, names: readonly string[], least: number): void {
  for (const name of names) {
    const value = options.number(name) ?? least;
    if (!isWhole(value, least)) {
      throw new UsageError(`--${name} is ${value}, expected a whole number from ${least} on`);
    }
  }
}

/**
 * The latents that `--latents` names; undefined where it is not given.
 *
 * @throws {UsageError} One of them is not in a dictionary of that size.
 */
export function readLatents(options: Arguments, dictSize: number): number[] | undefined {
  const latents = options.text("latents")?.split(",").map(Number);
  const wrong = latents?.some((each) => !isWhole(each, 0, dictSize - 1));
  if (!wrong) return latents;
  throw new UsageError(
    `--latents is ${options.text("latents")}, expected whole numbers below ${dictSize}`,
  );
}

/**
 * Options that an earlier call was given, as a file has them.
 *
 * @param where The folder, for the message.
 * @throws {UsageError} One is not an option of this command, or its value does not fit.
 */
export function givenBefore(
  options: Record<string, unknown>,
  table: Options,
  where: string,
): GivenOptions {
  const { values, flags } = namesOf(table);
  for (const [name, value] of Object.entries(options)) {
    const fits = flags.includes(name)
      ? value === true
      : values.includes(name) && Array.isArray(value) && value.every((x) => typeof x === "string");
    if (!fits) throw new UsageError(`${where} was run with an option that does not fit, --${name}`);
  }
  return options as GivenOptions;
}
