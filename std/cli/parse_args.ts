/**
 * Stand-in for `@std/cli/parse-args`, used only where JSR cannot be reached: the real function's
 * options and results. Its types are simpler: names listed in `string`, `boolean` and `collect`
 * as literals are typed, everything else is `any`, as there.
 *
 * @module
 */

/** Names: one or several. */
export type Names<T extends string> = T | readonly T[];

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  S extends string = string,
  B extends string = string,
  C extends string = string,
> {
  /** Whether what follows `--` goes into the result's `"--"` and not into `_`. */
  "--"?: boolean;
  /** Other names of an option. */
  alias?: Record<string, string | readonly string[]>;
  /** Options without a value; true makes all bare options so. */
  boolean?: boolean | Names<B>;
  /** Values of options that are not given. */
  default?: Record<string, unknown>;
  /** Whether everything after the first positional argument is positional. */
  stopEarly?: boolean;
  /** Options whose value stays a string. */
  string?: Names<S>;
  /** Options that may be given several times: the result is an array. */
  collect?: Names<C>;
  /** Options that `--no-NAME` sets to false. */
  negatable?: Names<string>;
  /** Called for an argument that no option names; returning false leaves it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Result of {@linkcode parseArgs}. */
export type Args<S extends string = never, B extends string = never, C extends string = never> =
  & {
    /** Positional arguments. */
    _: Array<string | number>;
    /** What followed `--`, if asked for. */
    "--"?: string[];
    // deno-lint-ignore no-explicit-any
    [key: string]: any;
  }
  & { [K in Exclude<S, C>]?: string }
  & { [K in S & C]: string[] }
  & { [K in Exclude<C, S | B>]?: unknown[] }
  & { [K in B & C]: boolean[] }
  & { [K in Exclude<B, C>]: boolean };

/** Parses command-line arguments into options and positional arguments. */
export function parseArgs<
  const S extends string = never,
  const B extends string = never,
  const C extends string = never,
>(args: readonly string[], options: ParseOptions<S, B, C> = {}): Args<S, B, C> {
  const aliases = aliasGroups(options.alias ?? {});
  const names = (key: string): string[] => aliases.get(key) ?? [key];
  const all = (list: unknown): Set<string> =>
    new Set(asArray(list).flatMap((name) => names(String(name))));
  const allBooleans = options.boolean === true;
  const booleans = all(typeof options.boolean === "boolean" ? [] : options.boolean);
  const strings = all(options.string);
  const collected = all(options.collect);
  const negatable = all(options.negatable);
  const defaults = options.default ?? {};
  const known = new Set([...booleans, ...strings, ...aliases.keys()]);

  // deno-lint-ignore no-explicit-any
  const result: any = { _: [] };
  const isNumber = (text: string) =>
    /^0x[0-9a-f]+$/i.test(text) || /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(text);

  const unknownRefused = (arg: string, key?: string, value?: unknown): boolean =>
    options.unknown !== undefined && !(key !== undefined && known.has(key)) &&
    !(allBooleans && /^--[^=]+$/.test(arg)) &&
    options.unknown(arg, key, value) === false;

  const write = (key: string, value: unknown, add: boolean): void => {
    for (const name of names(key)) {
      const parts = name.split(".");
      const last = parts.pop()!;
      let place = result;
      for (const part of parts) {
        if (!Object.hasOwn(place, part)) define(place, part, {});
        place = place[part];
      }
      if (add && collected.has(key)) {
        define(place, last, [...(Object.hasOwn(place, last) ? asArray(place[last]) : []), value]);
      } else {
        define(place, last, value);
      }
    }
  };
  const set = (key: string, text: string | boolean, arg: string, add = true): void => {
    if (unknownRefused(arg, key, text)) return;
    const value = typeof text === "string" && !strings.has(key) && isNumber(text)
      ? Number(text)
      : text;
    write(key, value, add);
  };
  const addPositional = (text: string): void => {
    if (unknownRefused(text)) return;
    result._.push(!strings.has("_") && isNumber(text) ? Number(text) : text);
  };
  let rest: string[] = [];
  const end = args.indexOf("--");
  if (end >= 0) {
    rest = args.slice(end + 1);
    args = args.slice(0, end);
  }

  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const next = args[i + 1];
    let match: RegExpMatchArray | null;
    if ((match = arg.match(/^--([^=]+)=(.+)$/s))) {
      const [, key, value] = match;
      set(key, booleans.has(key) ? value === "true" : value, arg);
    } else if ((match = arg.match(/^--no-(.+)$/s)) && negatable.has(match[1])) {
      set(match[1], false, arg, false);
    } else if ((match = arg.match(/^--(.+)$/s))) {
      const isValue = next !== undefined && next !== "" && !next.startsWith("-");
      i += setBare(match[1], next, arg, isValue && !allBooleans);
    } else if (/^-[^-]/.test(arg)) {
      i += setLetters(arg, next);
    } else {
      addPositional(arg);
      if (options.stopEarly) {
        result._.push(...args.slice(i + 1));
        break;
      }
    }
  }

  for (const [key, value] of Object.entries(defaults)) {
    if (!has(result, key)) write(key, value, false);
  }
  for (const key of booleans) {
    if (!has(result, key)) write(key, collected.has(key) ? [] : false, false);
  }
  for (const key of collected) {
    if (!has(result, key) && strings.has(key)) write(key, [], false);
  }
  if (options["--"]) result["--"] = rest;
  else for (const text of rest) result._.push(text);
  return result;

  /** Sets `--key`, or `-k`, whose value may be the next argument; returns how many more it used. */
  function setBare(
    key: string,
    next: string | undefined,
    arg: string,
    nextIsValue: boolean,
  ): number {
    if (nextIsValue && !booleans.has(key)) {
      set(key, next!, arg);
      return 1;
    }
    if (next === "true" || next === "false") {
      set(key, next === "true", arg);
      return 1;
    }
    set(key, strings.has(key) ? "" : true, arg);
    return 0;
  }

  /** `-abc` sets three letters, `-n5` and `-n=5` give n the value 5. */
  function setLetters(arg: string, next: string | undefined): number {
    const letters = arg.slice(1);
    for (let j = 0; j < letters.length - 1; j++) {
      const letter = letters[j];
      const tail = letters.slice(j + 1);
      const isLetter = /[A-Za-z]/.test(letter);
      if (isLetter && /=./s.test(tail)) {
        set(letter, tail.slice(tail.indexOf("=") + 1), arg);
        return 0;
      }
      if (isLetter && /\d\.?$/.test(tail) || tail.length > 1 && /^\W/.test(tail)) {
        set(letter, tail, arg);
        return 0;
      }
      set(letter, strings.has(letter) ? "" : true, arg);
    }
    const nextIsValue = next !== undefined && next !== "" && !/^--?[^-]/.test(next);
    return setBare(letters.at(-1)!, next, arg, nextIsValue);
  }
}

// A plain assignment to __proto__ would change the prototype.
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

function has(object: Record<string, unknown>, key: string): boolean {
  // deno-lint-ignore no-explicit-any
  let place: any = object;
  for (const part of key.split(".")) {
    if (place === null || typeof place !== "object" || !Object.hasOwn(place, part)) return false;
    place = place[part];
  }
  return true;
}

function asArray(value: unknown): unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function aliasGroups(alias: Record<string, string | readonly string[]>): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, others] of Object.entries(alias)) {
    const group = [key, ...asArray(others).map(String)];
    for (const name of group) groups.set(name, group);
  }
  return groups;
}
