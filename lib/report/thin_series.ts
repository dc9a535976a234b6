/** Neighbouring points of a curve as one. */
export interface ThinnedPoint {
  /** Middle of the points' x. */
  x: number;
  /** Mean of their y; NaN where none is finite. */
  mean: number;
  /** Smallest y. */
  low: number;
  /** Largest y. */
  high: number;
}

/**
 * Thins a curve to at most `most` points without losing its extremes. Values that are not finite are
 * left out of their point.
 *
 * @param x Ascending.
 */
export function thinSeries(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  most: number,
): ThinnedPoint[] {
  const points = Math.min(y.length, most);
  return Array.from({ length: points }, (_, i) => {
    const from = Math.floor(i * y.length / points);
    const to = Math.floor((i + 1) * y.length / points);
    let [sum, count, low, high] = [0, 0, Infinity, -Infinity];
    for (let at = from; at < to; at++) {
      if (!Number.isFinite(y[at])) continue;
      sum += y[at];
      count++;
      low = Math.min(low, y[at]);
      high = Math.max(high, y[at]);
    }
    const mean = sum / count;
    return {
      x: (x[from] + x[to - 1]) / 2,
      mean,
      low: count > 0 ? low : NaN,
      high: count > 0 ? high : NaN,
    };
  });
}
