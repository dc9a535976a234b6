/** Between which values a quantity lies, with 95 % confidence. */
export interface Interval {
  /** Lower end. */
  low: number;
  /** Upper end. */
  high: number;
}

/** Two-sided 95 % of the normal distribution. */
export const Z95 = 1.959963984540054;

/**
 * Wilson's score interval of a share: between which values the true share lies, with 95 % confidence,
 * after `successes` of `trials` (Wilson 1927). Unlike share ± 1.96 standard errors, it stays within [0, 1]
 * and has a width at 0 and at 1. No trials: 0 to 1.
 *
 * @throws {RangeError} The counts are not whole numbers with 0 ≤ successes ≤ trials.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  if (!(Number.isInteger(trials) && trials >= 0)) {
    throw new RangeError(`trials is ${trials}, expected a whole number from 0`);
  }
  if (!(Number.isInteger(successes) && successes >= 0 && successes <= trials)) {
    throw new RangeError(
      `successes is ${successes}, expected a whole number from 0 to ${trials} (trials)`,
    );
  }
  if (trials === 0) return { low: 0, high: 1 };
  const share = successes / trials;
  const square = Z95 * Z95 / trials;
  const centre = (share + square / 2) / (1 + square);
  const half = Z95 / (1 + square) *
    Math.sqrt(share * (1 - share) / trials + square / (4 * trials));
  // Exact at the ends, where the formula leaves a rounding error.
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === trials ? 1 : Math.min(1, centre + half),
  };
}
