import { createRandom, randomOrder } from "../random.ts";

/**
 * A permutation of 0 … count − 1, each equally likely, fixed by the seed.
 *
 * @throws {RangeError} The seed is not a whole number.
 */
export function permutation(count: number, seed: number): Uint32Array {
  return randomOrder(createRandom(seed), count);
}

/**
 * The seed of part `index` of a sequence with seed `seed`. Parts can be ordered independently.
 *
 * @param index A whole number, 0 ≤ index < 2^52.
 * @throws {RangeError} The seed is not a whole number.
 */
export function partSeed(seed: number, index: number): number {
  return createRandom(seed).below(2 ** 52) + index;
}
