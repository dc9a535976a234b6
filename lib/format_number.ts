/**
 * A number as a reader wants it in a table: four significant digits, thousands separated, powers of
 * ten for tiny numbers, a dash for what is not finite.
 */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (Number.isSafeInteger(value) || size >= 1e4) {
    return size < 1e15
      ? minusSign(Math.round(value).toLocaleString("en-US"))
      : scientific(value, 3);
  }
  return size < 1e-3 ? scientific(value, 3) : minusSign(String(Number(value.toPrecision(4))));
}

/** A share as a percentage of three significant digits: 0.0123 is "1.23 %". */
export function formatShare(share: number): string {
  if (!Number.isFinite(share)) return "–";
  return minusSign(`${Number((share * 100).toPrecision(3))} %`);
}

/** A duration: "0.42 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${Number(seconds.toPrecision(2))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A number as digits times a power of ten: 0.00012 is "1.2 × 10⁻⁴". */
export function scientific(value: number, digits: number): string {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  const power = powerOfTen(Number(exponent));
  return Number(mantissa) === 1 ? power : `${minusSign(String(Number(mantissa)))} × ${power}`;
}

/** A power of ten with its exponent raised: −3 is "10⁻³". */
export function powerOfTen(exponent: number): string {
  const raised = String(Math.abs(exponent)).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[+digit]);
  return `10${exponent < 0 ? "⁻" : ""}${raised}`;
}

/** Puts a minus sign in the place of a hyphen. */
export function minusSign(text: string): string {
  return text.replace("-", "−");
}

/** A number with its sign: "+0.25", "−12 %". */
export function signed(value: number, format: (size: number) => string = formatNumber): string {
  return `${value < 0 ? "−" : "+"}${format(Math.abs(value))}`;
}

/** "12 of 40 (30 %)". */
export function partOf(part: number, whole: number): string {
  return whole === 0 ? "none" : `${part} of ${whole} (${formatShare(part / whole)})`;
}
