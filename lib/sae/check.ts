import type { Sae } from "./sae.ts";

/**
 * Checks that an SAE's arrays have the lengths its shape says, its numbers are finite and its k fits.
 *
 * @throws {TypeError | RangeError} Naming the field, what was found and what is wanted.
 */
export function checkSae(sae: Sae, name = "sae"): void {
  const { dModel: d, dictSize: m } = sae;
  checkCount(d, `${name}.dModel`);
  checkCount(m, `${name}.dictSize`);
  const lengths = { wEnc: m * d, bEnc: m, wDec: m * d, bDec: d, threshold: m } as const;
  for (const key of Object.keys(lengths) as (keyof typeof lengths)[]) {
    const found = sae[key];
    if (key === "threshold" && found === undefined) continue;
    if (!(found instanceof Float32Array)) {
      throw new TypeError(`${name}.${key} is ${typeof found}, expected a Float32Array`);
    }
    if (found.length !== lengths[key]) {
      throw new RangeError(`${name}.${key} has ${found.length} numbers, expected ${lengths[key]}`);
    }
    const at = found.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) throw new RangeError(`${name}.${key}[${at}] is ${found[at]}, expected a number`);
  }
  if (sae.k !== undefined) checkK(sae.k, m, `${name}.k`);
}

/** @throws {RangeError} k is not a whole number from 1 to the dictionary size. */
export function checkK(k: number, dictSize: number, name = "k"): void {
  checkCount(k, name);
  if (k > dictSize) {
    throw new RangeError(`${name} is ${k}, expected at most the dictionary size, ${dictSize}`);
  }
}

/** @throws {RangeError} The value is not a whole number above 0. */
export function checkCount(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} is ${value}, expected a whole number above 0`);
  }
}

/** @throws {RangeError} The value is not a finite number from `least` on. */
export function checkNumber(value: number, least: number, name: string): void {
  if (!(Number.isFinite(value) && value >= least)) {
    throw new RangeError(`${name} is ${value}, expected a number of at least ${least}`);
  }
}
