import type { NormLimit, NormLimitChoice } from "../mod.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";

/** What was left out of activations as massive. */
export interface LeftOut {
  /** Activations that were read, those left out included. */
  rows: number;
  /** Those that were left out. */
  leftOut: number;
}

/**
 * What `--max-norm-multiple` says is massive; undefined where it is not given.
 *
 * @throws {UsageError} It is neither a number from 1 on nor "none".
 */
export function givenNormLimit(
  options: Arguments,
): { multiple: number; medianNorm?: undefined } | "none" | undefined {
  const text = options.text("max-norm-multiple");
  if (text === undefined || text === "none") return text;
  const multiple = Number(text);
  if (!(Number.isFinite(multiple) && multiple >= 1)) {
    throw new UsageError(`--max-norm-multiple is ${text}, expected a number from 1 on, or none`);
  }
  return { multiple };
}

/** What is massive: as it is given, with the median of what is recorded; else as recorded; else 10. */
export function resolveNormLimit(
  given: ReturnType<typeof givenNormLimit>,
  recorded: NormLimit | "none" | undefined,
): NormLimitChoice {
  if (given === undefined) return recorded ?? { multiple: 10 };
  if (given === "none" || recorded === undefined || recorded === "none") return given;
  return { ...recorded, multiple: given.multiple };
}

/**
 * Checks that what goes on leaves out what it left out before.
 *
 * @param where What goes on, and how to start anew.
 * @throws {UsageError} `--max-norm-multiple` says something else.
 */
export function checkSameLimit(
  options: Arguments,
  recorded: NormLimit | "none",
  where: string,
): void {
  const given = givenNormLimit(options);
  const multiple = (limit: { multiple: number } | "none") =>
    limit === "none" ? "none" : String(limit.multiple);
  if (given === undefined || multiple(given) === multiple(recorded)) return;
  throw new UsageError(
    `--max-norm-multiple is ${multiple(given)}, it was ${multiple(recorded)} in ${where}`,
  );
}

/** A limit in words: "above 10 times the median norm, 152.3". */
export function describeLimit({ multiple, medianNorm }: NormLimit): string {
  return `above ${multiple} times the median norm, ${Number(medianNorm.toPrecision(4))}`;
}

/** What was left out, in words; undefined where nothing was. */
export function describeLeftOut(
  limit: NormLimit | "none",
  { rows, leftOut }: LeftOut,
): string | undefined {
  if (limit === "none" || leftOut === 0) return undefined;
  return `${leftOut} of ${rows} activations left out as massive (${describeLimit(limit)})`;
}
