import { parseArgs } from "@std/cli";
import { UsageError } from "./command.ts";

/** Options as they were given: the texts of those with a value, true for flags. */
export type GivenOptions = Record<string, string[] | true>;

/** Parsed arguments: every option by name, and the rest in order. */
export interface Arguments {
  /** The options that are set, as JSON can keep them. */
  given: GivenOptions;
  /** Arguments that are no options. */
  positional: string[];
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
}

/**
 * Parses a command's arguments.
 *
 * @param names Names of options with a value and of flags; an unknown one is an error.
 * @param before Options that hold where the arguments do not give them.
 * @throws {UsageError} An option is unknown, lacks its value, or is no number where one is wanted.
 */
export function parseArguments(
  args: string[],
  { values, flags }: { values: string[]; flags: string[] },
  before: GivenOptions = {},
): Arguments {
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
