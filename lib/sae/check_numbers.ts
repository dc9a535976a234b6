import { checkWhole } from "../whole_number.ts";

/** @throws {RangeError} k is not a whole number from 1 to the dictionary size. */
export function checkK(k: number, dictSize: number, name = "k"): void {
  checkWhole(k, name);
  if (k > dictSize) {
    throw new RangeError(`${name} is ${k}, expected at most the dictionary size, ${dictSize}`);
  }
}

/** @throws {RangeError} k, a mean over a batch, is not above 0, or above the dictionary size. */
export function checkMeanK(k: number, dictSize: number, name = "k"): void {
  if (k > 0 && k <= dictSize) return;
  throw new RangeError(
    `${name} is ${k}, expected a number above 0 and at most the dictionary size, ${dictSize}`,
  );
}

/** @throws {RangeError} The value is not a finite number from `least` on. */
export function checkNumber(value: number, least: number, name: string): void {
  if (!(Number.isFinite(value) && value >= least)) {
    throw new RangeError(`${name} is ${value}, expected a number of at least ${least}`);
  }
}

/** @throws {RangeError} The value is not a finite number above 0. */
export function checkPositive(value: number, name: string): void {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new RangeError(`${name} is ${value}, expected a number above 0`);
  }
}
