// Claims about latents one by one: which are novel, what each does alone, what is like what.
import { groupsByKind } from "../stitching/latent_groups.ts";
import type { StitchingEffects } from "../stitching/effects.ts";
import type { LatentErrors } from "../stitching/missing_information.ts";
import { noveltyRoc } from "../stitching/novelty_roc.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import type { Claim } from "./claim.ts";
import { percent, range, share, signedPercent } from "./claim_numbers.ts";
import { aucInterval, correlationInterval, meanInterval } from "./intervals.ts";
import { ownChanges, ownEffects, totalChange } from "./own_changes.ts";
import {
  agreed,
  allOf,
  FEWEST,
  isAbove,
  isBelow,
  notDecided,
  unlessReversed,
  type Verdict,
} from "./verdict.ts";
import { wilsonInterval } from "./wilson_interval.ts";

// Where a claim has no sign to be judged by, this run's bound is said with it.
const GOOD_AUC = 0.7;
const GOOD_FIT = 0.5;
const SOME = 0.02;

/** With gains it is otherwise. */
const REVERSED = "the shrinkage control reverses it: with one gain per SAE it is otherwise";

/** Section 4.2, Fig. 4 and 18; only what survives the shrinkage control counts. */
export function incompleteness(study: PairStudy): Claim {
  const { nearest, effects, groups, threshold, path, withGain } = study;
  const novel = [...groups.largeOnly].filter((latent) => effects.deltaL0[latent] > 0);
  const [plain, scaled] = [
    improvement(novel, effects, path, ""),
    improvement(novel, withGain.effects, withGain.path, "with gains "),
  ];
  return {
    claim: "The smaller SAE is incomplete: the larger one has latents that improve it, and not " +
      "only because activations are shrunk.",
    found:
      `${share(groups.largeOnly.length, nearest.cosine.length)} of the large SAE's latents are ` +
      `novel (cosine below ${threshold}). ` +
      (novel.length === 0
        ? "None of them is active."
        : `Added alone, ${
          share(plain.better, novel.length)
        } of those that are active lower the MSE, ` +
          `with one gain per SAE ${
            share(scaled.better, novel.length)
          }; all together change it by ` +
          `${signedPercent(plain.together)}, with gains by ${signedPercent(scaled.together)}.`),
    ...allOf(plain.verdict, scaled.verdict),
  };
}

function improvement(
  novel: readonly number[],
  effects: StitchingEffects,
  path: PairStudy["path"],
  how: string,
): { better: number; together: number; verdict: Verdict } {
  const own = ownEffects(effects);
  const better = novel.filter((latent) => own[latent] < 0).length;
  const changes = ownChanges(path, "insert").map(({ mse }) => mse / path[0].mse);
  const verdict = agreed(
    `${how}${
      percent(better / novel.length)
    } of the active novel latents lower the MSE alone, but ` +
      `all together they change it by ${signedPercent(totalChange(path, "insert"))}`,
    mostOf(better, novel.length, "active novel latents"),
    isBelow(meanInterval(changes), 0, {
      count: changes.length,
      what: "insertions (mean change of the MSE)",
      format: (value) => signedPercent(value),
    }),
  );
  return { better, together: totalChange(path, "insert"), verdict };
}

/** A.4, Fig. 14: by how much of itself an SAE's error grows, so that SAEs of any error compare. */
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
    claim:
      "Where a novel latent is active, the smaller SAE's error grows by a larger part of itself " +
      "than the larger one's.",
    found: latents.length === 0
      ? `No novel latent is active in ${FEWEST} samples or more and inactive in as many.`
      : `Mean MSE where novel latents are active beside where they are not: ` +
        `${growth(latents, "small")} (small SAE), ${
          growth(latents, "large")
        } (large SAE). The small ` +
        `SAE's grows more for ${share(more, latents.length)}.`,
    ...mostOf(more, latents.length, "novel latents"),
  };
}

function growth(latents: readonly LatentErrors[], sae: "small" | "large"): string {
  const sum = (name: "active" | "inactive") =>
    latents.reduce((total, latent) => total + latent[sae][name], 0);
  const grown = sum("active") / sum("inactive") - 1;
  return Number.isFinite(grown) ? signedPercent(grown) : "no error elsewhere";
}

/** Section 4.2. */
export function reconstruction({ nearest, effects, threshold, withGain }: PairStudy): Claim {
  const latents = [...nearest.cosine.keys()].filter((latent) =>
    nearest.cosine[latent] >= threshold && effects.deltaL0[latent] > 0
  );
  const worse = (measured: StitchingEffects) => {
    const own = ownEffects(measured);
    return latents.filter((latent) => own[latent] > 0).length;
  };
  const [plain, scaled] = [worse(effects), worse(withGain.effects)];
  const what = "active reconstruction latents";
  return {
    claim:
      "Reconstruction latents say again what the smaller SAE says: added to it, they worsen it.",
    found: latents.length === 0
      ? `No latent with a cosine of ${threshold} or more is active.`
      : `${share(plain, latents.length)} of the active latents with a cosine of ${threshold} or ` +
        `more raise the MSE when added alone, with one gain per SAE ` +
        `${share(scaled, latents.length)}.`,
    ...unlessReversed(
      mostOf(plain, latents.length, what),
      mostOf(scaled, latents.length, what),
      REVERSED,
    ),
  };
}

/**
 * Fig. 16. With fewer than ten latents on a side nothing is said: an AUC of 0.85 over ten and ten has an
 * interval of about 0.6 to 0.95, which cannot clear 0.7 any more.
 */
export function prediction({ nearest, effects, threshold, withGain }: PairStudy): Claim {
  const plain = rocOf(nearest.cosine, effects, threshold);
  const scaled = rocOf(nearest.cosine, withGain.effects, threshold);
  const { auc, best, at, improving, worsening } = plain.roc;
  return {
    claim: `The decoder cosine predicts whether a latent improves the smaller SAE ` +
      `(AUC of at least ${GOOD_AUC}).`,
    found: auc === undefined || !best
      ? `${improving} latents improve it and ${worsening} worsen it: nothing to tell apart.`
      : `AUC ${auc.toFixed(3)} (95 %: ${range(plain.interval)}) over ${improving} improving and ` +
        `${worsening} worsening latents` +
        (scaled.roc.auc === undefined
          ? ". "
          : `, with one gain per SAE ${
            scaled.roc.auc.toFixed(3)
          } over ${scaled.roc.improving} and ` +
            `${scaled.roc.worsening}. `) +
        `θ = ${threshold} is right for ${percent(at.accuracy!)}; ` +
        (best.truePositiveRate! > best.falsePositiveRate!
          ? `the best threshold by this curve is ${best.threshold.toFixed(2)}, right for ` +
            `${percent(best.accuracy!)}.`
          : "no threshold tells them apart better than chance."),
    ...unlessReversed(plain.verdict, scaled.verdict, REVERSED),
  };
}

function rocOf(cosine: Float32Array, effects: StitchingEffects, threshold: number) {
  const activity = effects.deltaL0;
  const roc = noveltyRoc(cosine, ownEffects(effects), { threshold, activity });
  const { auc = 0.5, improving, worsening } = roc;
  const interval = aucInterval(auc, improving, worsening);
  const verdict = isAbove(interval, GOOD_AUC, {
    count: Math.min(improving, worsening),
    what: improving < worsening ? "improving latents" : "worsening latents",
  });
  return { roc, interval, verdict };
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
  const count = Math.min(
    new Set(near.map(({ small }) => small)).size,
    new Set(near.map(({ large }) => large)).size,
  );
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
  const some = (count: number) =>
    isAbove(wilsonInterval(count, groups.length), SOME, {
      count: groups.length,
      what: "groups",
      format: percent,
    });
  return {
    claim:
      "Some latents of the smaller SAE split into several of the larger one, and some of the " +
      `larger one are like several of the smaller (each at least ${percent(SOME)} of the groups).`,
    found:
      `${groups.length} groups: ${same.count} one to one, ${split.count} split (one latent of ` +
      `the small SAE in several), ${merged.count} merged (several in one), ${tangled.count} several ` +
      `to several. ${smallOnly.length} latents of the small SAE have no counterpart.`,
    ...allOf(some(split.count), some(merged.count + tangled.count)),
  };
}

/** More than half. */
function mostOf(part: number, whole: number, what: string): Verdict {
  return isAbove(wilsonInterval(part, whole), 0.5, { count: whole, what, format: percent });
}
