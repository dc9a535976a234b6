/** @throws {RangeError} A threshold of cosines is not a number in [−1, 1]. */
export function checkThreshold(threshold: number): void {
  if (!(Number.isFinite(threshold) && Math.abs(threshold) <= 1)) {
    throw new RangeError(`threshold is ${threshold}, expected a cosine, from -1 to 1`);
  }
}
