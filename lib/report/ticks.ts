import { formatNumber, minusSign } from "../format_number.ts";

/** A number at an axis: "0.3002", "−4,000", "20k", "12,288", "5×10⁻⁴". */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e12) return formatNumber(value).replaceAll(" ", "");
  // Thousands and millions where nothing is lost by them.
  const compact = size >= 1e4 && value % (size < 1e6 ? 100 : 1e5) === 0;
  return minusSign(value.toLocaleString("en-US", compact ? COMPACT : DIGITS).replace("K", "k"));
}

const DIGITS = { maximumSignificantDigits: 6 };
const COMPACT = { notation: "compact", maximumSignificantDigits: 4 } as const;

/**
 * Ticks of a logarithmic axis: powers of ten, or 1, 2 and 5 times them where the range has few;
 * undefined where there are less than two, which Observable Plot's own are better then.
 *
 * @param low Above zero.
 */
export function logTicks(low: number, high: number): number[] | undefined {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const apart = Math.ceil((last - first) / 8);
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let exponent = first; exponent <= last; exponent += apart) {
    // 10 ** -5 is not the number 1e-5.
    for (const step of steps) ticks.push(Number(`${step}e${exponent}`));
  }
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  return inside.length > 1 ? inside : undefined;
}

/** Those of ascending ticks whose names have room, at 8 pixels a digit. */
export function spacedTicks(ticks: readonly number[], pixels: number, log: boolean): number[] {
  const at = (value: number) => log ? Math.log(value) : value;
  const [low, high] = [at(ticks[0]), at(ticks.at(-1)!)];
  let end = -Infinity;
  return ticks.filter((tick) => {
    const place = (at(tick) - low) / (high - low || 1) * pixels;
    const half = formatTick(tick).length * 4 + 3;
    if (place - half < end) return false;
    end = place + half;
    return true;
  });
}

/** The range of values; widened where it has no extent, so that its one value lies inside. */
export function extent(values: Iterable<number>, log = false): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  // A mean of 0.2 and 0.4 is a little above 0.3, for which an axis would be a tick longer.
  [low, high] = [Number(low.toPrecision(12)), Number(high.toPrecision(12))];
  if (low < high) return [low, high];
  if (log) return [low / 2, high * 2];
  return low === 0 ? [0, 1] : [low - 1, high + 1];
}
