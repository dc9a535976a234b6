import type { InterpolationPoint } from "../stitching/interpolate.ts";
import { groupsByKind } from "../stitching/describe_groups.ts";
import type { PairStudy } from "../stitching/study_pair.ts";
import type { Claim } from "./claim.ts";
import { minusSign } from "./format_number.ts";

/** The claims of section 4, A.4 and A.7 about two SAEs, with the numbers of one study. */
export function stitchingClaims(study: PairStudy): Claim[] {
  return [
    incompleteness(study),
    missingInformationClaim(study),
    reconstruction(study),
    prediction(study),
    similarityClaim(study),
    splitting(study),
    insertions(study),
    swapsOnThePath(study),
    swapsAlone(study),
    smoothness(study),
  ];
}

function incompleteness(
  { nearest, effects, groups, threshold, randomInsertions }: PairStudy,
): Claim {
  const novel = groups.largeOnly;
  const active = novel.filter((latent) => effects.deltaL0[latent] > 0);
  const better = active.filter((latent) => effects.deltaMse[latent] < 0).length;
  const change = changeOf(randomInsertions);
  return {
    claim: "The smaller SAE is incomplete: the larger one has latents that improve it.",
    found: `${share(novel.length, nearest.cosine.length)} of the large SAE's latents are novel ` +
      `(cosine below ${threshold}). ` +
      (active.length === 0
        ? "None of them is active."
        : `Added alone, ${share(better, active.length)} of those that are active lower the MSE; ` +
          `all together change it by ${signed(change)}.`),
    holds: active.length === 0 ? undefined : change < 0 && better > active.length / 2,
  };
}

function missingInformationClaim({ missing: { mean, latents } }: PairStudy): Claim {
  const claim = "Where a novel latent is active, the smaller SAE loses more than the larger one.";
  if (!mean) {
    return { claim, found: "No novel latent is active in some samples only.", holds: undefined };
  }
  const { small, large } = mean;
  const worse = latents.filter((latent) => latent.small.difference > latent.large.difference);
  return {
    claim,
    found: `MSE where novel latents are active less where they are not, mean over ` +
      `${latents.length}: ${number(small.difference)} (small SAE), ${number(large.difference)} ` +
      `(large SAE). The small SAE's is the larger for ${share(worse.length, latents.length)}.`,
    holds: small.difference > large.difference,
  };
}

function reconstruction({ nearest, effects, threshold }: PairStudy): Claim {
  const latents = [...nearest.cosine.keys()].filter((latent) =>
    nearest.cosine[latent] >= threshold && effects.deltaL0[latent] > 0
  );
  const worse = latents.filter((latent) => effects.deltaMse[latent] > 0).length;
  return {
    claim:
      "Reconstruction latents say again what the smaller SAE says: added to it, they worsen it.",
    found: latents.length === 0
      ? `No latent with a cosine of ${threshold} or more is active.`
      : `${share(worse, latents.length)} of the active latents with a cosine of ${threshold} or ` +
        `more raise the MSE when added alone.`,
    holds: latents.length === 0 ? undefined : worse > latents.length / 2,
  };
}

// Where a claim has no sign to be judged by, this run's bound is said with it.
const GOOD_AUC = 0.7;
const GOOD_FIT = 0.5;
const ALMOST_ALWAYS = 0.9;
const SMALL_STEP = 0.05;
// Two points always lie on a line.
const FEWEST_PAIRS = 10;

function prediction({ roc, threshold }: PairStudy): Claim {
  const claim = `The decoder cosine predicts whether a latent improves the smaller SAE ` +
    `(AUC of at least ${GOOD_AUC}).`;
  const { auc, best, at, improving, worsening } = roc;
  if (auc === undefined || !best) {
    return {
      claim,
      found: `${improving} latents improve it and ${worsening} worsen it: nothing to tell apart.`,
      holds: undefined,
    };
  }
  return {
    claim,
    found:
      `AUC ${auc.toFixed(3)} over ${improving} improving and ${worsening} worsening latents. ` +
      `θ = ${threshold} is right for ${percent(at.accuracy!)}; ` +
      (best.truePositiveRate! > best.falsePositiveRate!
        ? `the best threshold by this curve is ${best.threshold.toFixed(2)}, right for ` +
          `${percent(best.accuracy!)}.`
        : "no threshold tells them apart better than chance."),
    holds: auc >= GOOD_AUC,
  };
}

function similarityClaim({ similarity: { fitAbove, fit } }: PairStudy): Claim {
  const claim = `Latents with similar decoder rows are active on the same inputs ` +
    `(R² of at least ${GOOD_FIT}; the paper has 0.87).`;
  const above = fitAbove.activationCosine;
  if (!above) {
    return { claim, found: "Cosines above 0.5 are too few or too much alike.", holds: undefined };
  }
  return {
    claim,
    found: `R² of activation cosine over decoder cosine is ${above.rSquared.toFixed(2)} for the ` +
      `${above.points} pairs above a cosine of 0.5` +
      (fit.activationCosine
        ? `, ${fit.activationCosine.rSquared.toFixed(2)} over all pairs.`
        : "."),
    holds: above.points < FEWEST_PAIRS ? undefined : above.slope > 0 && above.rSquared >= GOOD_FIT,
  };
}

function splitting({ groups: { groups, smallOnly } }: PairStudy): Claim {
  const [same, split, merged, tangled] = groupsByKind(groups);
  return {
    claim:
      "Some latents of the smaller SAE split into several of the larger one, and some of the " +
      "larger one are like several of the smaller.",
    found:
      `${groups.length} groups: ${same.count} one to one, ${split.count} split (one latent of ` +
      `the small SAE in several), ${merged.count} merged (several in one), ${tangled.count} several ` +
      `to several. ${smallOnly.length} latents of the small SAE have no counterpart.`,
    holds: groups.length === 0 ? undefined : split.count > 0 && merged.count + tangled.count > 0,
  };
}

function insertions({ path }: PairStudy): Claim {
  const steps = changes(path, "insert");
  return {
    claim: "Inserting novel latents lowers the MSE and raises L0.",
    found: phaseNumbers(steps, "insertions"),
    holds: steps.length === 0 ? undefined : total(steps, "mse") < 0 && total(steps, "l0") > 0,
  };
}

function swapsOnThePath({ path }: PairStudy): Claim {
  const steps = changes(path, "swap");
  return {
    claim: "Swapping groups after that lowers L0, and the MSE on average.",
    found: phaseNumbers(steps, "swaps"),
    holds: steps.length === 0 ? undefined : total(steps, "mse") < 0 && total(steps, "l0") < 0,
  };
}

function swapsAlone({ swaps: { deltaMse, deltaL0 } }: PairStudy): Claim {
  const count = (values: Float64Array, wanted: (value: number) => boolean) =>
    values.reduce((sum, value) => sum + (wanted(value) ? 1 : 0), 0);
  const raised = count(deltaMse, (value) => value > 0);
  const lowered = count(deltaL0, (value) => value < 0);
  return {
    claim:
      `A swap made alone generally raises the MSE and almost always (${
        percent(ALMOST_ALWAYS)
      } or ` +
      `more) lowers L0 (Fig. 17).`,
    found: deltaMse.length === 0
      ? "There were no swaps."
      : `Of the swaps ${share(raised, deltaMse.length)} raise the MSE, ` +
        `${share(lowered, deltaMse.length)} lower L0.`,
    holds: deltaMse.length === 0
      ? undefined
      : raised > deltaMse.length / 2 && lowered >= ALMOST_ALWAYS * deltaMse.length,
  };
}

function smoothness({ path }: PairStudy): Claim {
  const [first, last] = [path[0], path.at(-1)!];
  const steps = [...changes(path, "insert"), ...changes(path, "swap"), ...changes(path, "remove")];
  const largest = steps.reduce((most, { mse }) => Math.max(most, Math.abs(mse)), 0) / first.mse;
  const better = steps.filter(({ mse }) => mse < 0).length;
  return {
    claim:
      `One SAE goes over into the other in small steps (${percent(SMALL_STEP)} of its MSE at ` +
      `most) that mostly improve it.`,
    found: steps.length === 0
      ? "There were no steps."
      : `${steps.length} steps lead from MSE ${number(first.mse)}, L0 ${first.l0.toFixed(2)} to ` +
        `MSE ${number(last.mse)}, L0 ${last.l0.toFixed(2)}; ${
          share(better, steps.length)
        } lower the ` +
        `MSE, the largest changes it by ${percent(largest)} of the small SAE's.`,
    holds: steps.length === 0
      ? undefined
      : better > steps.length / 2 && last.mse < first.mse && largest <= SMALL_STEP,
  };
}

interface Change {
  mse: number;
  l0: number;
}

/**
 * What the steps of a phase change. A latent that is inserted and never active is left out: it changes
 * nothing but the mixed decoder bias.
 */
function changes(path: readonly InterpolationPoint[], phase: string): Change[] {
  return path.flatMap((point, i) => {
    if (point.phase !== phase) return [];
    const [mse, l0] = [point.mse - path[i - 1].mse, point.l0 - path[i - 1].l0];
    return phase === "insert" && l0 === 0 ? [] : [{ mse, l0 }];
  });
}

function phaseNumbers(steps: readonly Change[], what: string): string {
  if (steps.length === 0) return `There were no ${what}.`;
  const better = steps.filter(({ mse }) => mse < 0).length;
  return `${steps.length} ${what} change the MSE by ${
    signedNumber(total(steps, "mse"))
  } and L0 by ` +
    `${signedNumber(total(steps, "l0"))}; ${share(better, steps.length)} lower the MSE.`;
}

function total(steps: readonly Change[], key: keyof Change): number {
  return steps.reduce((sum, step) => sum + step[key], 0);
}

function changeOf(path: readonly InterpolationPoint[]): number {
  return path.at(-1)!.mse / path[0].mse - 1;
}

function share(part: number, whole: number): string {
  return whole === 0 ? "none" : `${part} of ${whole} (${percent(part / whole)})`;
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`;
}

function number(value: number): string {
  return minusSign(value.toPrecision(4));
}

function signedNumber(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toPrecision(3)}`;
}
