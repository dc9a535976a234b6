import { minusSign, powerOfTen, scientific } from "./format_number.ts";

/**
 * Tick positions on a linear axis: multiples of 1, 2 or 5 times a power of ten, from the last at or
 * below `low` to the first at or above `high`.
 *
 * @param count How many there should be about.
 */
export function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((nice) => nice * power >= rough * 0.999)!;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  // Rounding takes away what binary fractions add, as in 3 · 0.1.
  return Array.from(
    { length: last - first + 1 },
    (_, i) => Number(((first + i) * step).toPrecision(12)),
  );
}

/**
 * Tick positions on a logarithmic axis: powers of ten, or 1, 2 and 5 times them where the range has
 * few, from the last at or below `low` to the first at or above `high`.
 *
 * @param low Above zero.
 * @param count How many there should be about, at most.
 */
export function logTicks(low: number, high: number, count: number): number[] {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const decades = last - first;
  if (decades > 2) {
    const step = Math.ceil(decades / count);
    const ticks = Math.ceil(decades / step);
    return Array.from({ length: ticks + 1 }, (_, i) => tenTo(first + i * step));
  }
  return fineLogTicks(low, high);
}

/**
 * 1, 2 and 5 times the powers of ten, from the last at or below `low` to the first at or above `high`.
 *
 * @param low Above zero.
 */
export function fineLogTicks(low: number, high: number): number[] {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const fine = [];
  for (let exponent = first; exponent <= last; exponent++) {
    for (const nice of [1, 2, 5]) fine.push(Number((nice * tenTo(exponent)).toPrecision(12)));
  }
  // A little more than the 1e-9 of a decade (a factor of 1 + 2.3e-9) that is forgiven above, so that
  // there are such ticks.
  const from = fine.findLastIndex((tick) => tick <= low * (1 + 2.5e-9));
  const to = fine.findIndex((tick) => tick >= high * (1 - 2.5e-9));
  return fine.slice(from, Math.max(to, from + 1) + 1);
}

// 10 ** -5 is not the number 1e-5.
function tenTo(exponent: number): number {
  return Number(`1e${exponent}`);
}

/** Labels of ticks, all in one unit: "0", "20k", "40k". */
export function tickLabels(ticks: readonly number[], log = false): string[] {
  if (log && ticks.every((tick) => Number.isInteger(exponentOf(tick)))) {
    const plain = ticks.every((tick) => tick >= 0.01 && tick <= 1000);
    return ticks.map((tick) => plain ? String(tick) : powerOfTen(exponentOf(tick)));
  }
  const largest = ticks.reduce((most, tick) => Math.max(most, Math.abs(tick)), 0);
  const [unit, letter] = largest >= 1e9
    ? [1e9, "G"]
    : largest >= 1e6
    ? [1e6, "M"]
    : largest >= 1e4
    ? [1e3, "k"]
    : [1, ""];
  return ticks.map((tick) => {
    if (tick === 0) return "0";
    if (largest >= 1e12 || largest < 1e-2) return scientific(tick, 3);
    return minusSign(`${Number((tick / unit).toPrecision(6))}${letter}`);
  });
}

function exponentOf(tick: number): number {
  return Number(Math.log10(tick).toPrecision(12));
}
