import { formatNumber, formatShare } from "../format_number.ts";
import { type Interval, wilsonInterval } from "./intervals.ts";

/** What the paper claims, and what a run says to it. */
export interface Claim {
  /** The claim, in the paper's sense. */
  claim: string;
  /** This run's numbers for and against it. */
  found: string;
  /** Whether they speak for it; undefined: not decided. */
  holds: boolean | undefined;
  /** Why it is not decided, where it is not. */
  why?: string;
}

/** Claims as rows of a table; the verdict is "yes", "no" or "not decided". */
export function claimRows(claims: readonly Claim[]): Record<string, string>[] {
  return claims.map(({ claim, found, holds, why = "" }) => ({
    ...{ claim, verdict: holds === undefined ? "not decided" : holds ? "yes" : "no" },
    ...{ why, found },
  }));
}

/** Whether something holds; undefined with the reason where the data do not decide. */
export type Verdict = Pick<Claim, "holds" | "why">;

/** Fewer latents, steps or pairs than this decide nothing, whatever their interval says. */
export const FEWEST = 10;

/** Not decided, for a reason. */
export function notDecided(why: string): Verdict {
  return { holds: undefined, why };
}

/** Something that is counted or computed, and has no interval. */
export function fact(holds: boolean): Verdict {
  return { holds };
}

/** What an interval comes from, for the reason why it does not decide. */
export interface Counted {
  /** Of how many. */
  count: number;
  /** Of what. */
  what: string;
  /** How its ends are written (default {@linkcode formatNumber}). */
  format?: (value: number) => string;
}

/**
 * Yes where the whole interval is above the bound, no where it is below, not decided where the bound lies
 * within or the interval comes of fewer than {@linkcode FEWEST}.
 */
export function isAbove(
  { low, high }: Interval,
  bound: number,
  { count, what, format = formatNumber }: Counted,
): Verdict {
  if (count < FEWEST) return notDecided(`${count || "no"} ${what}, at least ${FEWEST} are needed`);
  if (low > bound || high < bound) return fact(low > bound);
  return notDecided(
    `${count} ${what} leave open ${format(low)} to ${format(high)} (95 %), the bound is ` +
      format(bound),
  );
}

/** The same, with yes below the bound and no above it. */
export function isBelow(interval: Interval, bound: number, about: Counted): Verdict {
  const verdict = isAbove(interval, bound, about);
  return verdict.holds === undefined ? verdict : fact(!verdict.holds);
}

/** Whether a share is above a bound (default: a half), by Wilson's interval. */
export function isShareAbove(part: number, whole: number, what: string, bound = 0.5): Verdict {
  return isAbove(wilsonInterval(part, whole), bound, { count: whole, what, format: formatShare });
}

/** Every part must hold: no where one does not, else not decided where one is not. */
export function allOf(...parts: Verdict[]): Verdict {
  if (parts.some(({ holds }) => holds === false)) return fact(false);
  return parts.find(({ holds }) => holds === undefined) ?? fact(true);
}

/** The same where all parts agree or leave it open; not decided where one says yes and one no. */
export function agreed(reason: string, ...parts: Verdict[]): Verdict {
  const says = (wanted: boolean) => parts.some(({ holds }) => holds === wanted);
  return says(true) && says(false) ? notDecided(reason) : allOf(...parts);
}

/** A verdict that a control reverses is none. */
export function unlessReversed(verdict: Verdict, control: Verdict, reason: string): Verdict {
  const reversed = verdict.holds !== undefined && control.holds === !verdict.holds;
  return reversed ? notDecided(reason) : verdict;
}

/** The reason why none of some claims is decided, where it is the same for all. */
export function commonReason(claims: readonly Claim[]): string | undefined {
  const why = claims[0]?.why;
  return claims.every((claim) => claim.why === why) ? why : undefined;
}

/** Claims without a reason that is said once for all of them. */
export function withoutCommonReason(claims: readonly Claim[]): readonly Claim[] {
  if (commonReason(claims) === undefined) return claims;
  return claims.map(({ claim, found, holds }) => ({ claim, found, holds }));
}
