import type { SaeControls } from "../stitching/controls.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import { CONVERGED } from "../training/loss_change.ts";
import { formatShare } from "./format_number.ts";
import { wilsonInterval } from "./wilson_interval.ts";

// MSEs of fewer samples are known to some percent at best, which is what latents change.
const FEWEST_SAMPLES = 1000;
// The paper's pairs differ by a factor of two; SAEs of 128 and 130 latents differ by their seeds.
const LEAST_RATIO = 1.25;
// Random directions are as good as an SAE that is not at least a tenth better.
const BETTER_THAN_RANDOM = 0.9;
// Below this share of random rows, a cosine of θ is a sign of something; so is more than this share of
// latents that two SAEs have in common. Random dictionaries have none, whatever encoder they get.
const RANDOM_ROWS = 0.01;

/**
 * Why a pair of SAEs decides no claim about smaller and larger SAEs; nothing where it can.
 *
 * A claim of section 4 is about what two SAEs that work, and differ in size, share and lack. SAEs that
 * are worse than the mean or than random directions, that were not trained to the end, that started
 * from the same weights or are of one size may show the same numbers for another reason.
 */
export function reasonsAgainst({ controls, effects, nearest, threshold }: PairStudy): string[] {
  const { small, large, randomReconstruction } = controls;
  const reasons = [...ofOne("small", small), ...ofOne("large", large)];
  if (effects.samples < FEWEST_SAMPLES) {
    reasons.push(`${effects.samples} samples are too few, at least ${FEWEST_SAMPLES} are wanted`);
  }
  reasons.push(...ofSizes(small, large));
  if (small.seed !== undefined && small.seed === large.seed) {
    reasons.push(
      `both SAEs were trained from seed ${small.seed}, and may be alike for that reason`,
    );
  }
  if (randomReconstruction > RANDOM_ROWS) {
    reasons.push(
      `${formatShare(randomReconstruction)} of random rows have a cosine of ${threshold} or more ` +
        `too: at this width it tells nothing`,
    );
  }
  const shared = nearest.cosine.filter((cosine) => cosine >= threshold).length;
  if (!(wilsonInterval(shared, nearest.cosine.length).low > RANDOM_ROWS)) {
    reasons.push(
      `${shared} of the large SAE's ${nearest.cosine.length} latents have a counterpart of cosine ` +
        `${threshold} or more: random dictionaries have as much in common`,
    );
  }
  // Both SAEs may have the same.
  return [...new Set(reasons)];
}

function ofSizes(small: SaeControls, large: SaeControls): string[] {
  if (small.dictSize > large.dictSize) {
    return [
      `the small SAE has more latents (${small.dictSize}) than the large one (${large.dictSize})`,
    ];
  }
  for (
    const [size, what] of [["dictSize", "latents"], ["activeLatents", "active latents"]] as const
  ) {
    if (large[size] < LEAST_RATIO * small[size]) {
      return [
        `the SAEs are of one size or nearly (${small[size]} and ${large[size]} ${what}), so that ` +
        `nothing is due to it`,
      ];
    }
  }
  return [];
}

function ofOne(
  name: string,
  { nmse, nmseWithGain, randomNmse, lossChange }: SaeControls,
): string[] {
  const reasons = [];
  if (!(nmse < 1)) {
    reasons.push(
      Number.isFinite(nmse)
        ? `the ${name} SAE is no better than the activations' mean (NMSE ${nmse.toPrecision(3)})`
        : `the activations do not vary`,
    );
  } else if (!(nmseWithGain < BETTER_THAN_RANDOM * randomNmse)) {
    reasons.push(
      `the ${name} SAE (NMSE ${nmseWithGain.toPrecision(3)} with its gain) is hardly better than ` +
        `random directions (${randomNmse.toPrecision(3)})`,
    );
  }
  if (lossChange !== undefined && lossChange < CONVERGED) {
    reasons.push(
      `the ${name} SAE was not trained to the end: its loss still fell by ` +
        `${formatShare(-lossChange)} in the last tenth of its steps`,
    );
  }
  return reasons;
}
