import type { SaeControls } from "../stitching/controls.ts";
import { pairTitle, type StudiedPair } from "../stitching/study_chain.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import { CONVERGED } from "../training/loss_change.ts";
import { formatShare } from "../format_number.ts";
import { wilsonInterval } from "./intervals.ts";
import {
  incompleteness,
  missingInformationClaim,
  prediction,
  reconstruction,
  similarityClaim,
  splitting,
} from "./latent_claims.ts";
import { insertions, smoothness, survival, swapsAlone, swapsOnThePath } from "./path_claims.ts";
import type { Claim } from "./verdict.ts";

/**
 * The claims of section 4, A.4 and A.7 about two SAEs, with the numbers of one study, and what the shrinkage
 * control says to them.
 *
 * Yes and no need evidence: a 95 % interval on one side of the claim's bound, of at least ten latents,
 * steps or pairs. Changes of the MSE are the latents' own, without what Eq. 5's mixed decoder bias changes
 * by itself. Nothing is decided, whatever the numbers, where the SAEs cannot tell: one of them is worse
 * than the mean, hardly better than random directions or not trained to the end, both come from one seed,
 * have one size or no latents in common, or there are fewer than 1,000 samples. `why` says what kept a
 * claim from being decided.
 */
export function stitchingClaims(study: PairStudy): Claim[] {
  const claims = CLAIMS.map((claim) => claim(study));
  const why = reasonsAgainst(study).join("; ");
  return why === ""
    ? claims
    : claims.map(({ claim, found }) => ({ claim, found, holds: undefined, why }));
}

const CLAIMS: readonly ((study: PairStudy) => Claim)[] = [
  incompleteness,
  missingInformationClaim,
  reconstruction,
  prediction,
  similarityClaim,
  splitting,
  insertions,
  survival,
  swapsOnThePath,
  swapsAlone,
  smoothness,
];

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
function reasonsAgainst({ controls, effects, nearest, threshold }: PairStudy): string[] {
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

/** A pair, and what this run says to the paper's claims about it. */
export interface PairClaims {
  /** The pair, as its title. */
  pair: string;
  /** What can make numbers mean something else. */
  warnings: string[];
  /** What verdicts are controlled by. */
  controls: StudiedPair["study"]["controls"];
  /** The claims of section 4. */
  claims: Claim[];
}

/** The claims of section 4 about each pair. */
export function pairClaims(pairs: readonly StudiedPair[]): PairClaims[] {
  return pairs.map((pair) => ({
    pair: pairTitle(pair),
    warnings: pair.study.warnings,
    controls: pair.study.controls,
    claims: stitchingClaims(pair.study),
  }));
}
