/**
 * The package's random number generator: xoshiro128**, seeded by splitmix32. Its state is four 32-bit
 * numbers, which checkpoints contain.
 */
export interface Random {
  /** The next number, uniform in [0, 1). */
  uniform(): number;
  /** The next whole number, uniform in [0, bound). */
  below(bound: number): number;
  /** The state, which {@linkcode createRandom} accepts. */
  state(): [number, number, number, number];
}

/**
 * Creates a generator from a seed or from a saved state.
 *
 * @param seed A whole number, or a state that `state()` returned.
 * @throws {RangeError} The seed is not a whole number.
 */
export function createRandom(seed: number | [number, number, number, number]): Random {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new RangeError(`seed is ${seed}, expected a whole number`);
  }
  let [a, b, c, d] = typeof seed === "number" ? expandSeed(seed) : seed;
  const next = (): number => {
    const fives = Math.imul(b, 5);
    const result = Math.imul((fives << 7) | (fives >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    uniform: () => next() / 2 ** 32,
    // The bias is below bound / 2^53: two words make one 53-bit fraction.
    below: (bound) => Math.floor(((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53 * bound),
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
  };
}

function expandSeed(seed: number): [number, number, number, number] {
  // Both halves of a seed above 2^32 count.
  let state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) | 0;
  const word = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
  return [word(), word(), word(), word()];
}

/** The numbers 0 … count − 1 in random order, each order equally likely. */
export function randomOrder(random: Random, count: number): Uint32Array {
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const place = random.below(i + 1);
    order[i] = order[place];
    order[place] = i;
  }
  return order;
}
