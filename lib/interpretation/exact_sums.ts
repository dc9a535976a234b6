/** Sums of float32 numbers from 0 on that do not depend on their order, nor on how they are divided. */
export interface ExactSums {
  /** Memory that they take. */
  readonly bytes: number;
  /** Adds a number to sum `at`. */
  add(at: number, value: number): void;
  /** Sum `at`, rounded to float64. */
  sum(at: number): number;
  /** All sums, {@linkcode LIMBS} numbers each. */
  limbs(): Float64Array;
  /** Adds sums that {@linkcode ExactSums.limbs} gave. */
  join(limbs: Float64Array): void;
}

/**
 * A sum is a whole number of 2^−149, the smallest float32, in limbs of 32 bits: 9 hold 2^53 numbers of any size. Each
 * limb is a float64, which is exact up to 2^53.
 */
export const LIMBS = 9;
const BASE = 2 ** 32;
/** Additions of less than 2^32 to a limb of less than 2^33 that stay below 2^53. */
const MOST_ADDITIONS = 2 ** 20;

/** Starts `count` sums at 0. */
export function createExactSums(count: number): ExactSums {
  const limbs = new Float64Array(count * LIMBS);
  const additions = new Uint32Array(count);
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  const carry = (at: number): void => {
    additions[at] = 0;
    for (let i = at * LIMBS; i < (at + 1) * LIMBS - 1; i++) {
      const over = Math.floor(limbs[i] / BASE);
      limbs[i] -= over * BASE;
      limbs[i + 1] += over;
    }
  };
  return {
    bytes: limbs.byteLength + additions.byteLength,
    add(at, value) {
      float[0] = value;
      const exponent = bits[0] >>> 23;
      const fraction = bits[0] & 0x7fffff;
      // value = mantissa · 2^(shift − 149)
      const mantissa = exponent === 0 ? fraction : fraction + 0x800000;
      const shift = exponent === 0 ? 0 : exponent - 1;
      const limb = at * LIMBS + (shift >>> 5);
      const places = shift & 31;
      const fits = 2 ** (32 - places);
      const high = Math.floor(mantissa / fits);
      limbs[limb] += (mantissa - high * fits) * 2 ** places;
      limbs[limb + 1] += high;
      if (++additions[at] === MOST_ADDITIONS) carry(at);
    },
    sum(at) {
      carry(at);
      let sum = 0;
      for (let i = 0; i < LIMBS; i++) sum += limbs[at * LIMBS + i] * 2 ** (32 * i - 149);
      return sum;
    },
    limbs() {
      for (let at = 0; at < count; at++) carry(at);
      return limbs.slice();
    },
    join(others) {
      for (let at = 0; at < count; at++) carry(at);
      for (let i = 0; i < limbs.length; i++) limbs[i] += others[i];
      for (let at = 0; at < count; at++) carry(at);
    },
  };
}
