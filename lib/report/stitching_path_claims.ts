// Claims about the way from SAE to SAE, and about swaps.
import type { PairStudy } from "../stitching/study_pair.ts";
import type { Claim } from "./claim.ts";
import { number, percent, share, signedNumber, signedPercent } from "./claim_numbers.ts";
import { meanInterval } from "./intervals.ts";
import { type OwnChange, ownChanges, ownEffects, totalChange } from "./own_changes.ts";
import {
  allOf,
  fact,
  isAbove,
  isBelow,
  notDecided,
  unlessReversed,
  type Verdict,
} from "./verdict.ts";
import { wilsonInterval } from "./wilson_interval.ts";

// Where a claim has no sign to be judged by, this run's bound is said with it.
const ALMOST_ALWAYS = 0.9;
const SMALL_STEP = 0.05;

/** Fig. 5 and 18, as the paper measures it; {@linkcode survival} says what is left with gains. */
export function insertions({ path, withGain }: PairStudy): Claim {
  const steps = ownChanges(path, "insert");
  return {
    claim: "Inserting novel latents lowers the MSE on average, and raises L0.",
    found: phaseNumbers(steps, "insertions") + gainNumbers(steps, withGain.path, "insert"),
    ...allOf(
      meanBelowZero(steps, "mse", "insertions"),
      meanAboveZero(steps, "l0", "insertions"),
    ),
  };
}

/** The shrinkage control. */
export function survival({ path, withGain, controls: { small, large } }: PairStudy): Claim {
  const steps = ownChanges(path, "insert");
  const improved = meanBelowZero(steps, "mse", "insertions");
  const why = "without gains it is not decided that there is an improvement to survive";
  return {
    claim: "The improvement by novel latents is more than undone shrinkage: it is there as well " +
      "with the gain of each SAE that makes its MSE least.",
    found: `Gains ${small.gain.toFixed(3)} (small SAE; NMSE ${number(small.nmse)}, with it ` +
      `${number(small.nmseWithGain)}) and ${large.gain.toFixed(3)} (large SAE; ` +
      `${number(large.nmse)}, ${number(large.nmseWithGain)}). All insertions ` +
      `together change the MSE by ${signedPercent(totalChange(path, "insert"))} as the SAEs are, ` +
      `by ${signedPercent(totalChange(withGain.path, "insert"))} with gains.`,
    ...(improved.holds
      ? meanBelowZero(ownChanges(withGain.path, "insert"), "mse", "insertions")
      : notDecided(improved.holds === false ? "there is no improvement without gains" : why)),
  };
}

/** Fig. 5. */
export function swapsOnThePath({ path, withGain }: PairStudy): Claim {
  const steps = ownChanges(path, "swap");
  const scaled = ownChanges(withGain.path, "swap");
  return {
    claim: "Swapping groups after that lowers L0, and the MSE on average.",
    found: phaseNumbers(steps, "swaps") + gainNumbers(steps, withGain.path, "swap"),
    ...allOf(
      unlessReversed(
        meanBelowZero(steps, "mse", "swaps"),
        meanBelowZero(scaled, "mse", "swaps"),
        "the shrinkage control reverses it: with one gain per SAE the MSE changes the other way",
      ),
      meanBelowZero(steps, "l0", "swaps"),
    ),
  };
}

/** Fig. 17. */
export function swapsAlone({ swaps }: PairStudy): Claim {
  const own = ownEffects(swaps);
  const count = own.length;
  const raised = own.filter((value) => value > 0).length;
  const lowered = swaps.deltaL0.filter((value) => value < 0).length;
  const about = { count, what: "swaps", format: percent };
  return {
    claim: `A swap made alone generally raises the MSE and almost always (more than ` +
      `${percent(ALMOST_ALWAYS)}) lowers L0 (Fig. 17).`,
    found: count === 0
      ? "There were no swaps."
      : `Of the swaps ${share(raised, count)} raise the MSE, ${share(lowered, count)} lower L0.`,
    ...allOf(
      isAbove(wilsonInterval(raised, count), 0.5, about),
      isAbove(wilsonInterval(lowered, count), ALMOST_ALWAYS, about),
    ),
  };
}

/** Fig. 5. */
export function smoothness({ path, withGain }: PairStudy): Claim {
  const [first, last] = [path[0], path.at(-1)!];
  const steps = allChanges(path);
  const [better, scaled] = [lowering(steps), lowering(allChanges(withGain.path))];
  const largest = path.slice(1).reduce(
    (most, point, i) => Math.max(most, Math.abs(point.mse - path[i].mse)),
    0,
  ) / first.mse;
  return {
    claim:
      `One SAE goes over into the other in small steps (${percent(SMALL_STEP)} of its MSE at ` +
      `most) that mostly improve it.`,
    found: steps.length === 0
      ? "There were no steps."
      : `${steps.length} steps lead from MSE ${number(first.mse)}, L0 ${first.l0.toFixed(2)} to ` +
        `MSE ${number(last.mse)}, L0 ${last.l0.toFixed(2)}; ${share(...better)} lower ` +
        `the MSE, with one gain per SAE ${share(...scaled)}; the largest changes it by ` +
        `${percent(largest)} of the small SAE's.`,
    ...steps.length === 0 ? notDecided("there were no steps") : allOf(
      fact(last.mse < first.mse),
      fact(largest <= SMALL_STEP),
      unlessReversed(
        mostSteps(...better),
        mostSteps(...scaled),
        "the shrinkage control reverses it: with one gain per SAE most steps do the opposite",
      ),
    ),
  };
}

/** How many steps lower the MSE, and of how many. */
function lowering(steps: readonly OwnChange[]): [better: number, count: number] {
  return [steps.filter(({ mse }) => mse < 0).length, steps.length];
}

function mostSteps(better: number, count: number): Verdict {
  const about = { count, what: "steps", format: percent };
  return isAbove(wilsonInterval(better, count), 0.5, about);
}

function allChanges(path: PairStudy["path"]): OwnChange[] {
  return (["insert", "swap", "remove"] as const).flatMap((phase) => ownChanges(path, phase));
}

function meanBelowZero(steps: readonly OwnChange[], key: keyof OwnChange, what: string): Verdict {
  return isBelow(meanInterval(steps.map((step) => step[key])), 0, about(steps, key, what));
}

function meanAboveZero(steps: readonly OwnChange[], key: keyof OwnChange, what: string): Verdict {
  return isAbove(meanInterval(steps.map((step) => step[key])), 0, about(steps, key, what));
}

function about(steps: readonly OwnChange[], key: keyof OwnChange, what: string) {
  const name = key === "mse" ? "MSE" : "L0";
  return {
    count: steps.length,
    what: `${what} (mean change of ${name})`,
    format: (value: number) => value === 0 ? "0" : signedNumber(value),
  };
}

function phaseNumbers(steps: readonly OwnChange[], what: string): string {
  if (steps.length === 0) return `There were no ${what}.`;
  return `${steps.length} ${what} change the MSE by ${
    signedNumber(total(steps, "mse"))
  } and L0 by ` +
    `${signedNumber(total(steps, "l0"))}; ${share(...lowering(steps))} lower the MSE.`;
}

function gainNumbers(
  steps: readonly OwnChange[],
  withGain: PairStudy["path"],
  phase: "insert" | "swap",
): string {
  if (steps.length === 0) return "";
  const scaled = ownChanges(withGain, phase);
  return ` With one gain per SAE they change the MSE by ${signedNumber(total(scaled, "mse"))}; ` +
    `${share(...lowering(scaled))} lower it.`;
}

function total(steps: readonly OwnChange[], key: keyof OwnChange): number {
  return steps.reduce((sum, step) => sum + step[key], 0);
}
