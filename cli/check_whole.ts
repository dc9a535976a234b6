import type { Arguments } from "./arguments.ts";
import { UsageError } from "./command.ts";

/**
 * Checks options that count something, where they are given.
 *
 * @param least The smallest number that makes sense of them.
 * @throws {UsageError} One is not a whole number from `least` on.
 */
export function checkWhole(options: Arguments, names: readonly string[], least: number): void {
  for (const name of names) {
    const value = options.number(name) ?? least;
    if (!(Number.isSafeInteger(value) && value >= least)) {
      throw new UsageError(`--${name} is ${value}, expected a whole number from ${least} on`);
    }
  }
}
