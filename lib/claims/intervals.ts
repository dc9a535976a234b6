import { checkWhole } from "../whole_number.ts";

/** Between which values a quantity lies, with 95 % confidence. */
export interface Interval {
  /** Lower end. */
  low: number;
  /** Upper end. */
  high: number;
}

/** Two-sided 95 % of the normal distribution. */
const Z95 = 1.959963984540054;

/**
 * Wilson's score interval of a share: between which values the true share lies, with 95 % confidence,
 * after `successes` of `trials` (Wilson 1927). Unlike share ± 1.96 standard errors, it stays within [0, 1]
 * and has a width at 0 and at 1. No trials: 0 to 1.
 *
 * @throws {RangeError} The counts are not whole numbers with 0 ≤ successes ≤ trials.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  checkWhole(trials, "trials", 0);
  checkWhole(successes, "successes", 0, trials);
  if (trials === 0) return { low: 0, high: 1 };
  return scoreInterval(successes / trials, trials);
}

/**
 * Wilson's interval of a share that is no count of trials, such as a mean of shares, and the number of trials that a
 * share of its variance would have, which need not be whole.
 */
export function scoreInterval(share: number, trials: number): Interval {
  const square = Z95 * Z95 / trials;
  const centre = (share + square / 2) / (1 + square);
  const half = Z95 / (1 + square) *
    Math.sqrt(share * (1 - share) / trials + square / (4 * trials));
  // Exact at the ends, where the formula leaves a rounding error.
  return {
    low: share === 0 ? 0 : Math.max(0, centre - half),
    high: share === 1 ? 1 : Math.min(1, centre + half),
  };
}

/**
 * Between which values a mean lies, with 95 % confidence: mean ± t · s/√n with Student's t of n − 1
 * degrees of freedom. One value or none: anything.
 */
export function meanInterval(values: ArrayLike<number>): Interval {
  const n = values.length;
  if (n < 2) return { low: -Infinity, high: Infinity };
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i] / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i] - mean) ** 2;
  const half = studentT(n - 1) * Math.sqrt(squares / (n - 1) / n);
  return { low: mean - half, high: mean + half };
}

/** Two-sided 95 % of Student's t: Hill's expansion, right to 0.2 % from five degrees of freedom on. */
function studentT(freedom: number): number {
  if (freedom === 1) return 12.706204736;
  if (freedom === 2) return 4.302652730;
  const z = Z95;
  return z + (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3);
}

/**
 * Between which values the area under a ROC curve lies, with 95 % confidence: the values θ whose
 * distance from the area found is at most 1.96 standard errors of an area of θ, those of Hanley and
 * McNeil (1982) as Newcombe made them symmetric (2006, his method 5). As with Wilson's interval of a
 * share, areas of 0 and 1 have a width too.
 *
 * @param auc The area found.
 * @param positives Number of positives.
 * @param negatives Number of negatives.
 */
export function aucInterval(auc: number, positives: number, negatives: number): Interval {
  if (positives === 0 || negatives === 0) return { low: 0, high: 1 };
  const half = (positives + negatives) / 2 - 1;
  const error = (area: number) =>
    Math.sqrt(
      area * (1 - area) * (1 + half * ((1 - area) / (2 - area) + area / (1 + area))) /
        (positives * negatives),
    );
  const within = (area: number) => Math.abs(area - auc) <= Z95 * error(area);
  return { low: furthest(auc, 0, within), high: furthest(auc, 1, within) };
}

/** The last value within, on the way from one that is to one that may not be. */
function furthest(from: number, to: number, within: (value: number) => boolean): number {
  let [inside, outside] = [from, to];
  for (let i = 0; i < 50; i++) {
    const middle = (inside + outside) / 2;
    if (within(middle)) inside = middle;
    else outside = middle;
  }
  return inside;
}

/** Between which values a correlation lies, with 95 % confidence, found for n pairs (Fisher's z). */
export function correlationInterval(correlation: number, n: number): Interval {
  if (n <= 3) return { low: -1, high: 1 };
  // 1 itself has no z.
  const bounded = Math.max(-1 + 1e-12, Math.min(1 - 1e-12, correlation));
  const half = Z95 / Math.sqrt(n - 3);
  return {
    low: Math.tanh(Math.atanh(bounded) - half),
    high: Math.tanh(Math.atanh(bounded) + half),
  };
}
