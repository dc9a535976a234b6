import type { Interval } from "./wilson_interval.ts";
import { minusSign } from "./format_number.ts";

/** "12 of 40 (30.0 %)". */
export function share(part: number, whole: number): string {
  return whole === 0 ? "none" : `${part} of ${whole} (${percent(part / whole)})`;
}

/** 0.123 is "12.3 %". */
export function percent(value: number): string {
  return minusSign(`${(100 * value).toFixed(1)} %`);
}

/** The same with its sign. */
export function signedPercent(value: number): string {
  return `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`;
}

/** Four significant digits; a dash for what is not finite. */
export function number(value: number): string {
  return Number.isFinite(value) ? minusSign(value.toPrecision(4)) : "–";
}

/** Three significant digits with a sign. */
export function signedNumber(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(3)}`;
}

/** "0.61 to 0.84". */
export function range({ low, high }: Interval): string {
  return `${low.toFixed(2)} to ${high.toFixed(2)}`;
}
