/** Whether a value is a whole number from `least` to `most`. */
export function isWhole(value: unknown, least = 0, most = Infinity): value is number {
  return Number.isSafeInteger(value) && value as number >= least && value as number <= most;
}

/** @throws {RangeError} A value is not a whole number from `least` (default 1) to `most`. */
export function checkWhole(value: number, name: string, least = 1, most = Infinity): void {
  if (isWhole(value, least, most)) return;
  const range = most < Infinity
    ? `from ${least} to ${most}`
    : least === 1
    ? "above 0"
    : `from ${least}`;
  throw new RangeError(`${name} is ${value}, expected a whole number ${range}`);
}
