// Claims about the path from SAE to SAE, and about swaps.
import type { PathPhase } from "../stitching/path.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import { formatNumber, formatShare, partOf, signed } from "../format_number.ts";
import { meanInterval } from "./intervals.ts";
import { type OwnChange, ownChanges, ownEffects, totalChange } from "./own_changes.ts";
import {
  allOf,
  type Claim,
  fact,
  isAbove,
  isBelow,
  isShareAbove,
  notDecided,
  unlessReversed,
  type Verdict,
} from "./verdict.ts";

// Where a claim has no sign to be judged by, this run's bound is said with it.
const ALMOST_ALWAYS = 0.9;
const SMALL_STEP = 0.05;

/** Fig. 5 and 18, as the paper measures it; {@linkcode survival} says what is left with gains. */
export function insertions(study: PairStudy): Claim {
  const steps = ownChanges(study.path, "insert");
  return {
    claim: "Inserting novel latents lowers the MSE on average, and raises L0.",
    found: phaseNumbers(study, "insert", "insertions"),
    ...allOf(
      meanIs(isBelow, steps, "mse", "insertions"),
      meanIs(isAbove, steps, "l0", "insertions"),
    ),
  };
}

/** The shrinkage control. */
export function survival({ path, withGain, controls: { small, large } }: PairStudy): Claim {
  const improved = meanIs(isBelow, ownChanges(path, "insert"), "mse", "insertions");
  const change = (own: PairStudy["path"]) => signed(totalChange(own, "insert"), formatShare);
  return {
    claim: "The improvement by novel latents is more than undone shrinkage: it remains when each " +
      "SAE has the gain that minimises its MSE.",
    found: `Gains ${small.gain.toFixed(3)} (small SAE; NMSE ${formatNumber(small.nmse)}, with it ` +
      `${formatNumber(small.nmseWithGain)}) and ${large.gain.toFixed(3)} (large SAE; ` +
      `${formatNumber(large.nmse)}, ${formatNumber(large.nmseWithGain)}). All insertions ` +
      `together change the MSE by ${change(path)} as the SAEs are, by ${change(withGain.path)} ` +
      `with gains.`,
    ...(improved.holds
      ? meanIs(isBelow, ownChanges(withGain.path, "insert"), "mse", "insertions")
      : notDecided(
        improved.holds === false
          ? "there is no improvement without gains"
          : "without gains it is not decided that there is an improvement to survive",
      )),
  };
}

/** Fig. 5. */
export function swapsOnThePath(study: PairStudy): Claim {
  const steps = ownChanges(study.path, "swap");
  return {
    claim: "Swapping groups after that lowers L0, and the MSE on average.",
    found: phaseNumbers(study, "swap", "swaps"),
    ...allOf(
      unlessReversed(
        meanIs(isBelow, steps, "mse", "swaps"),
        meanIs(isBelow, ownChanges(study.withGain.path, "swap"), "mse", "swaps"),
        "the shrinkage control reverses it: with one gain per SAE the MSE changes the other way",
      ),
      meanIs(isBelow, steps, "l0", "swaps"),
    ),
  };
}

/** Fig. 17. */
export function swapsAlone({ swaps }: PairStudy): Claim {
  const own = ownEffects(swaps);
  const raised = own.filter((value) => value > 0).length;
  const lowered = swaps.deltaL0.filter((value) => value < 0).length;
  return {
    claim: `A swap made alone generally raises the MSE and almost always (more than ` +
      `${formatShare(ALMOST_ALWAYS)}) lowers L0 (Fig. 17).`,
    found: own.length === 0
      ? "There were no swaps."
      : `Of the swaps ${partOf(raised, own.length)} raise the MSE, ` +
        `${partOf(lowered, own.length)} lower L0.`,
    ...allOf(
      isShareAbove(raised, own.length, "swaps"),
      isShareAbove(lowered, own.length, "swaps", ALMOST_ALWAYS),
    ),
  };
}

/** Fig. 5. */
export function smoothness({ path, withGain }: PairStudy): Claim {
  const [first, last] = [path[0], path.at(-1)!];
  const [steps, scaled] = [path, withGain.path].map((own) =>
    (["insert", "swap", "remove"] as const).flatMap((phase) => ownChanges(own, phase))
  );
  const largest = path.slice(1).reduce(
    (most, point, i) => Math.max(most, Math.abs(point.mse - path[i].mse)),
    0,
  ) / first.mse;
  const claim = `The small SAE becomes the large one in small steps (at most ` +
    `${formatShare(SMALL_STEP)} of its MSE each), most of which improve it.`;
  if (steps.length === 0) {
    return { claim, found: "There were no steps.", ...notDecided("there were no steps") };
  }
  return {
    claim,
    found: `${steps.length} steps lead from MSE ${formatNumber(first.mse)}, L0 ` +
      `${first.l0.toFixed(2)} to MSE ${formatNumber(last.mse)}, L0 ${last.l0.toFixed(2)}; ` +
      `${lowering(steps)} lower the MSE, with one gain per SAE ${lowering(scaled)}; the largest ` +
      `changes it by ${formatShare(largest)} of the small SAE's.`,
    ...allOf(
      fact(last.mse < first.mse),
      fact(largest <= SMALL_STEP),
      unlessReversed(
        isShareAbove(better(steps), steps.length, "steps"),
        isShareAbove(better(scaled), scaled.length, "steps"),
        "the shrinkage control reverses it: with one gain per SAE most steps do the opposite",
      ),
    ),
  };
}

const better = (steps: readonly OwnChange[]): number => steps.filter(({ mse }) => mse < 0).length;

const lowering = (steps: readonly OwnChange[]): string => partOf(better(steps), steps.length);

function meanIs(
  side: typeof isAbove,
  steps: readonly OwnChange[],
  key: keyof OwnChange,
  what: string,
): Verdict {
  return side(meanInterval(steps.map((step) => step[key])), 0, {
    count: steps.length,
    what: `${what} (mean change of ${key === "mse" ? "MSE" : "L0"})`,
    format: (value) => value === 0 ? "0" : signed(value),
  });
}

function phaseNumbers({ path, withGain }: PairStudy, phase: PathPhase, what: string): string {
  const [steps, scaled] = [path, withGain.path].map((own) => ownChanges(own, phase));
  if (steps.length === 0) return `There were no ${what}.`;
  const total = (own: readonly OwnChange[], key: keyof OwnChange) =>
    signed(own.reduce((sum, step) => sum + step[key], 0));
  return `${steps.length} ${what} change the MSE by ${total(steps, "mse")} and L0 by ` +
    `${total(steps, "l0")}; ${lowering(steps)} lower the MSE. With one gain per SAE they change ` +
    `the MSE by ${total(scaled, "mse")}; ${lowering(scaled)} lower it.`;
}
