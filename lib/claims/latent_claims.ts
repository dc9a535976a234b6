// Claims about latents one by one: which are novel, what each does alone, which are similar.
import type { StitchingEffects } from "../stitching/effects.ts";
import { groupsByKind } from "../stitching/latent_groups.ts";
import type { LatentErrors } from "../stitching/missing_information.ts";
import { noveltyRoc } from "../stitching/novelty_roc.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import { formatShare, partOf, signed } from "../format_number.ts";
import { aucInterval, correlationInterval, meanInterval } from "./intervals.ts";
import { ownChanges, ownEffects, totalChange } from "./own_changes.ts";
import {
  agreed,
  allOf,
  type Claim,
  FEWEST,
  isAbove,
  isBelow,
  isShareAbove,
  notDecided,
  unlessReversed,
} from "./verdict.ts";

// Where a claim has no sign to be judged by, this run's bound is said with it.
const GOOD_AUC = 0.7;
const GOOD_FIT = 0.5;
const SOME = 0.02;

const REVERSED = "the shrinkage control reverses it: with one gain per SAE it is otherwise";

const signedShare = (value: number): string => signed(value, formatShare);

/** Section 4.2, Fig. 4 and 18; only what survives the shrinkage control counts. */
export function incompleteness(study: PairStudy): Claim {
  const { nearest, effects, groups, threshold, path, withGain } = study;
  const novel = [...groups.largeOnly].filter((latent) => effects.deltaL0[latent] > 0);
  const plain = improvement(novel, effects, path, "");
  const scaled = improvement(novel, withGain.effects, withGain.path, "with gains ");
  return {
    claim: "The smaller SAE is incomplete: the larger one has latents that improve it, and not " +
      "only because activations are shrunk.",
    found: `${partOf(groups.largeOnly.length, nearest.cosine.length)} of the large SAE's latents ` +
      `are novel (cosine below ${threshold}). ` +
      (novel.length === 0
        ? "None of them is active."
        : `Added alone, ${plain.better} of those that are active lower the MSE, with one gain per ` +
          `SAE ${scaled.better}; all together change it by ${plain.together}, with gains by ` +
          `${scaled.together}.`),
    ...allOf(plain.verdict, scaled.verdict),
  };
}

function improvement(
  novel: readonly number[],
  effects: StitchingEffects,
  path: PairStudy["path"],
  how: string,
) {
  const own = ownEffects(effects);
  const lower = novel.filter((latent) => own[latent] < 0).length;
  const changes = ownChanges(path, "insert").map(({ mse }) => mse / path[0].mse);
  const together = signedShare(totalChange(path, "insert"));
  const verdict = agreed(
    `${how}${formatShare(lower / novel.length)} of the active novel latents lower the MSE alone, ` +
      `but all together they change it by ${together}`,
    isShareAbove(lower, novel.length, "active novel latents"),
    isBelow(meanInterval(changes), 0, {
      count: changes.length,
      what: "insertions (mean change of the MSE)",
      format: signedShare,
    }),
  );
  return { better: partOf(lower, novel.length), together, verdict };
}

/** A.4, Fig. 14: relative increases, so that SAEs of any error compare. */
export function missingInformationClaim({ missing }: PairStudy): Claim {
  // An MSE of fewer samples says nothing of the latent.
  const latents = missing.latents.filter(({ activeSamples }) =>
    activeSamples >= FEWEST && missing.samples - activeSamples >= FEWEST
  );
  // a₀ / i₀ > a₁ / i₁, without a division by an error of zero.
  const more =
    latents.filter(({ small, large }) =>
      small.active * large.inactive > large.active * small.inactive
    ).length;
  return {
    claim: "Where a novel latent is active, the smaller SAE's error increases more, relative to " +
      "what it is elsewhere, than the larger one's.",
    found: latents.length === 0
      ? `No novel latent is active in ${FEWEST} samples or more and inactive in as many.`
      : `Mean MSE where novel latents are active, relative to where they are not: ` +
        `${increase(latents, "small")} (small SAE), ${increase(latents, "large")} (large SAE). ` +
        `The small SAE's increases more for ${partOf(more, latents.length)}.`,
    ...isShareAbove(more, latents.length, "novel latents"),
  };
}

function increase(latents: readonly LatentErrors[], sae: "small" | "large"): string {
  const sum = (name: "active" | "inactive") =>
    latents.reduce((total, latent) => total + latent[sae][name], 0);
  const relative = sum("active") / sum("inactive") - 1;
  return Number.isFinite(relative) ? signedShare(relative) : "no error elsewhere";
}

/** Section 4.2. */
export function reconstruction({ nearest, effects, threshold, withGain }: PairStudy): Claim {
  const latents = [...nearest.cosine.keys()].filter((latent) =>
    nearest.cosine[latent] >= threshold && effects.deltaL0[latent] > 0
  );
  const [plain, scaled] = [effects, withGain.effects].map((measured) => {
    const own = ownEffects(measured);
    const worse = latents.filter((latent) => own[latent] > 0).length;
    const verdict = isShareAbove(worse, latents.length, "active reconstruction latents");
    return { found: partOf(worse, latents.length), verdict };
  });
  return {
    claim: "Reconstruction latents add nothing that the smaller SAE lacks: added to it, they " +
      "raise its MSE.",
    found: latents.length === 0
      ? `No latent with a cosine of ${threshold} or more is active.`
      : `${plain.found} of the active latents with a cosine of ${threshold} or more raise the MSE ` +
        `when added alone, with one gain per SAE ${scaled.found}.`,
    ...unlessReversed(plain.verdict, scaled.verdict, REVERSED),
  };
}

/**
 * Fig. 16. With fewer than ten latents on a side nothing is said: an AUC of 0.85 over ten and ten has an
 * interval of about 0.6 to 0.95, which cannot clear 0.7 any more.
 */
export function prediction({ nearest, effects, threshold, withGain }: PairStudy): Claim {
  const [plain, scaled] = [effects, withGain.effects].map((measured) => {
    const activity = measured.deltaL0;
    const roc = noveltyRoc(nearest.cosine, ownEffects(measured), { threshold, activity });
    const { auc = 0.5, improving, worsening } = roc;
    const interval = aucInterval(auc, improving, worsening);
    const verdict = isAbove(interval, GOOD_AUC, {
      count: Math.min(improving, worsening),
      what: improving < worsening ? "improving latents" : "worsening latents",
    });
    return { ...roc, interval, verdict };
  });
  const { auc, best, at, improving, worsening, interval: { low, high } } = plain;
  return {
    claim: `The decoder cosine predicts whether a latent improves the smaller SAE ` +
      `(AUC of at least ${GOOD_AUC}).`,
    found: auc === undefined || !best
      ? `${improving} latents improve it and ${worsening} worsen it: nothing to tell apart.`
      : `AUC ${auc.toFixed(3)} (95 %: ${low.toFixed(2)} to ${high.toFixed(2)}) over ${improving} ` +
        `improving and ${worsening} worsening latents` +
        (scaled.auc === undefined
          ? ". "
          : `, with one gain per SAE ${scaled.auc.toFixed(3)} over ` +
            `${scaled.improving} and ${scaled.worsening}. `) +
        `θ = ${threshold} is right for ${formatShare(at.accuracy!)}; ` +
        (best.truePositiveRate! > best.falsePositiveRate!
          ? `the best threshold by this curve is ${best.threshold.toFixed(2)}, right for ` +
            `${formatShare(best.accuracy!)}.`
          : "no threshold tells them apart better than chance."),
    ...unlessReversed(plain.verdict, scaled.verdict, REVERSED),
  };
}

/** A.4, Fig. 11. */
export function similarityClaim({ similarity: { fitAbove, fit, pairs } }: PairStudy): Claim {
  const claim = `Latents with similar decoder rows are active on the same inputs ` +
    `(R² of at least ${GOOD_FIT}; the paper has 0.87).`;
  const above = fitAbove.activationCosine;
  if (!above) {
    const found = "Cosines above 0.5 are too few or too much alike.";
    return { claim, found, ...notDecided("there is no line through the pairs above 0.5") };
  }
  // A latent that is in several pairs is evidence once.
  const near = pairs.filter(({ decoderCosine }) => decoderCosine > 0.5);
  const distinct = (side: "small" | "large") => new Set(near.map((pair) => pair[side])).size;
  const count = Math.min(distinct("small"), distinct("large"));
  const correlation = Math.sign(above.slope) * Math.sqrt(above.rSquared);
  return {
    claim,
    found: `R² of activation cosine over decoder cosine is ${above.rSquared.toFixed(2)} for the ` +
      `${above.points} pairs above a cosine of 0.5` +
      (above.slope < 0 ? ", and the line falls" : "") +
      (fit.activationCosine
        ? `; ${fit.activationCosine.rSquared.toFixed(2)} over all pairs.`
        : "."),
    // R² ≥ 0.5 with a line that rises is a correlation of √0.5 or more.
    ...isAbove(correlationInterval(correlation, count), Math.sqrt(GOOD_FIT), {
      count,
      what: "latents in pairs above 0.5 (correlation)",
    }),
  };
}

/** Section 4.2, A.5: more than a few groups of each kind, not one example. */
export function splitting({ groups: { groups, smallOnly } }: PairStudy): Claim {
  const [same, split, merged, tangled] = groupsByKind(groups);
  const some = (count: number) => isShareAbove(count, groups.length, "groups", SOME);
  return {
    claim: "Some latents of the smaller SAE split into several of the larger one, and several of " +
      `the smaller are merged in some of the larger (each at least ${formatShare(SOME)} of the ` +
      `groups).`,
    found:
      `${groups.length} groups: ${same.count} one to one, ${split.count} split (one latent of ` +
      `the small SAE in several), ${merged.count} merged (several in one), ${tangled.count} several ` +
      `to several. ${smallOnly.length} latents of the small SAE have no counterpart.`,
    ...allOf(some(split.count), some(merged.count + tangled.count)),
  };
}
