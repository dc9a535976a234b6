/** A straight line through points, by least squares. */
export interface LineFit {
  /** Number of points. */
  points: number;
  /** Of y over x. */
  slope: number;
  /** y where x is 0. */
  intercept: number;
  /** Share of the variance of y that the line explains, R²: the square of their correlation. */
  rSquared: number;
}

// Cosines of equal rows differ by 1e-16, those of rows that float32 training should have kept equal by 1e-7.
const ROUNDING = 1e-6;

/**
 * Fits y ≈ intercept + slope · x; undefined where either has no spread but rounding's, a millionth of
 * its size.
 */
export function fitLine(x: ArrayLike<number>, y: ArrayLike<number>): LineFit | undefined {
  const points = x.length;
  if (points === 0) return undefined;
  let [meanX, meanY] = [0, 0];
  for (let at = 0; at < points; at++) {
    meanX += x[at] / points;
    meanY += y[at] / points;
  }
  let [xx, xy, yy] = [0, 0, 0];
  let [sizeX, sizeY] = [0, 0];
  for (let at = 0; at < points; at++) {
    xx += (x[at] - meanX) ** 2;
    xy += (x[at] - meanX) * (y[at] - meanY);
    yy += (y[at] - meanY) ** 2;
    sizeX += x[at] ** 2;
    sizeY += y[at] ** 2;
  }
  if (xx <= ROUNDING ** 2 * sizeX || yy <= ROUNDING ** 2 * sizeY) return undefined;
  const slope = xy / xx;
  return { points, slope, intercept: meanY - slope * meanX, rSquared: xy * xy / (xx * yy) };
}
