import type { Decomposition } from "../meta/decompose.ts";
import type { Claim } from "./claim.ts";
import { formatShare, minusSign } from "./format_number.ts";
import {
  chanceOf,
  type ComparedMetaLatents,
  leastSingleErrors,
  mean,
  type MetaFindings,
} from "./meta_findings.ts";
import {
  comparedProblem,
  controlProblem,
  metaProblem,
  replacementProblem,
  singleProblem,
} from "./meta_problems.ts";
import { type Interval, wilsonInterval, Z95 } from "./wilson_interval.ts";

// Bounds of this package, said with each claim; the paper names none but 0.7, its bound for a latent
// that is no novelty (Eq. 6, GPT-2).
const ALIKE = 0.7;
const NEARLY = 0.9;
// A meta-SAE of random rows explains 1.01 times as much as one of other random rows.
const MORE = 1.2;
const HARDLY_MORE = 1.1;
const LEAST_GAP = 0.02;
// The part of a control that its own 95th percentile leaves above itself is 5 %.
const RARELY = 0.95;
// What counts as explained by more than one, as a share of the variance.
const A_TENTH = 0.1;
// Of a row that is one meta-latent rounding leaves no more.
const ROUNDING = 1e-6;
// 1536 latents are about as many as 768 or 3072.
const ABOUT = 2;

/**
 * The claims of section 5 about meta-SAEs, with the numbers of one run. Each is judged beside the same
 * measure of random rows: unit rows, and rows of the decoder rows' own covariance. What the run cannot
 * decide is not decided, with the reason: no control, a meta-SAE that explains less than the mean, an SAE
 * worse than the mean, training that was not done, a seed that is shared.
 */
export function metaClaims(findings: MetaFindings): Claim[] {
  const problem = metaProblem(findings);
  return [structure, composition, resemblance, comparableSize, replacement].map((judge) => {
    const claim = judge(findings);
    return problem === undefined ? claim : { ...claim, holds: undefined, why: problem };
  });
}

function structure({ decomposition, controls }: MetaFindings): Claim {
  const { explainedVariance, metaLatents, deadMetaLatents } = decomposition;
  const most = controls &&
    Math.max(controls.isotropic.explainedVariance, controls.matched.explainedVariance);
  return decide(
    {
      claim:
        `Decoder rows share a few directions: a meta-SAE explains more of them than of random rows, ` +
        `also of rows with the same covariance (at least ${MORE} times as much).`,
      found:
        (Number.isFinite(explainedVariance)
          ? `It explains ${formatShare(explainedVariance)} of their variance (the paper's 55.5 %)`
          : "The rows do not vary") +
        (controls
          ? `, the same training ${formatShare(controls.isotropic.explainedVariance)} of that of ` +
            `random unit rows and ${formatShare(controls.matched.explainedVariance)} of that of ` +
            `random rows with their covariance. `
          : `. No control was trained. `) +
        `${deadMetaLatents} of ${metaLatents.rows} meta-latents are in no latent.`,
    },
    controlProblem(controls),
    () => {
      if (explainedVariance < HARDLY_MORE * most!) return false;
      if (explainedVariance >= MORE * most! && explainedVariance - most! >= LEAST_GAP) return true;
      return `${(explainedVariance / most!).toFixed(2)} times as much is too near to ${MORE} times`;
    },
  );
}

/**
 * k = 4 gives nearly every row several meta-latents, random ones too, so their number decides nothing. A
 * composition is a row of which one meta-latent leaves much that several explain: one of this meta-SAE, or
 * of one that was trained with k = 1, whichever leaves less, as with k = 4 the best single one may be half
 * of what it could be. Chance explains some of the rest too: a row counts where several explain a larger
 * share of it than for 95 % of the random rows, of either control, and a tenth of the variance at least.
 */
function composition({ decomposition, k, controls }: MetaFindings): Claim {
  const { latents: { rows, rowOffsets }, l0, squaredErrors, variance } = decomposition;
  const counts = Array.from({ length: rows }, (_, i) => rowOffsets[i + 1] - rowOffsets[i]);
  const several = counts.filter((count) => count > 1).length;
  const singleErrors = leastSingleErrors(decomposition, controls?.single);
  const shares = sharesOfRest({ ...decomposition, singleErrors });
  const random = controls && [controls.isotropic, controls.matched].map(sharesOfRest);
  const bar = random && Math.max(...random.map((own) => percentile(own, RARELY)));
  const composed = bar === undefined
    ? 0
    : shares.filter((share, i) =>
      share > bar && singleErrors[i] - squaredErrors[i] >= A_TENTH * variance
    ).length;
  return decide(
    {
      claim:
        `Latents are not atomic: most are compositions of several meta-latents (of what the best ` +
        `single one leaves, several explain more than for 95 % of random rows, and at least ` +
        `${formatShare(A_TENTH)} of the variance).`,
      found: `${part(several, rows)} have two or more meta-latents; on average ${l0.toFixed(2)}` +
        (k === undefined ? "" : `, where training asked for ${k}`) + "." +
        (rows === 0 ? "" : ` Of what the best single one leaves several explain ` +
          `${formatShare(mean(shares))} on average`) +
        (random && rows > 0
          ? `, of random unit rows ${formatShare(mean(random[0]))}, of random rows with their ` +
            `covariance ${formatShare(mean(random[1]))}. ${partBetween(composed, rows)} are ` +
            `compositions by this measure.`
          : "."),
    },
    rows === 0 ? "there are no latents" : controlProblem(controls),
    () => {
      const most = mostOf(composed, rows);
      // A better meta-SAE with k = 1 could only leave fewer compositions.
      return most === false ? false : singleProblem(controls?.single) ?? most;
    },
  );
}

/** Of each row the share that all its meta-latents explain of what the best single one leaves. */
function sharesOfRest({ squaredErrors, singleErrors, variance }: Decomposition): Float32Array {
  return singleErrors.map((single, i) =>
    single > ROUNDING * variance ? Math.max(0, 1 - squaredErrors[i] / single) : 0
  );
}

function resemblance({ compared, decomposition, sae, meta }: MetaFindings): Claim {
  const smaller = compared.filter(({ dictSize }) => dictSize < decomposition.latents.rows);
  const usable = smaller.filter((other) => comparedProblem(other, sae, meta) === undefined);
  const used = inUse(decomposition);
  const bars = usable.map((other) => chanceBar(other, used));
  const alike = used.filter((i) => usable.some(({ cosine }, at) => cosine[i] >= bars[at])).length;
  const byChance = usable.map(({ chance }) =>
    Math.max(
      ...[chance.isotropic, chance.matched].map((own) =>
        used.filter((i) => own[i] >= ALIKE).length
      ),
    )
  );
  const each = smaller.map((other) =>
    `${other.name} ${other.meanCosine.toFixed(3)} (random unit rows ` +
    `${mean(other.chance.isotropic).toFixed(3)}, of its covariance ` +
    `${mean(other.chance.matched).toFixed(3)})`
  );
  return decide(
    {
      claim:
        `Most meta-latents resemble a latent of a smaller SAE (cosine of at least ${ALIKE}, and ` +
        `above what 95 % of meta-latents have with random rows).`,
      found: smaller.length === 0
        ? "No smaller SAE was compared."
        : (usable.length === 0
          ? ""
          : `${partBetween(alike, used.length)} of the meta-latents in use do; with random rows ` +
            `${
              usable.map(({ name }, at) => `${byChance[at]} reach ${ALIKE} (${name})`).join(", ")
            }. `) +
          `Mean largest cosine: ${each.join(", ")}.`,
    },
    smaller.length === 0
      ? "it takes an SAE with fewer latents"
      : usable.length === 0
      ? comparedProblem(smaller[0], sae, meta)
      : undefined,
    () => mostOf(alike, used.length),
  );
}

function comparableSize({ compared, decomposition, sae, meta }: MetaFindings): Claim {
  const size = decomposition.metaLatents.rows;
  const used = inUse(decomposition);
  const usable = compared.filter((other) => comparedProblem(other, sae, meta) === undefined);
  const above = (other: ComparedMetaLatents) => {
    const chance = chanceOf(other);
    return used.map((i) => other.cosine[i] - chance[i]);
  };
  const best = (saes: ComparedMetaLatents[]) =>
    saes.reduce((a, b) => mean(above(b)) > mean(above(a)) ? b : a);
  const near = usable.filter(({ dictSize }) => isAbout(dictSize, size));
  const far = usable.filter(({ dictSize }) => !isAbout(dictSize, size));
  const each = compared.map((other) => `${other.name} ${signed(mean(above(other)))}`);
  return decide(
    {
      claim:
        `They are most like the SAE that has about as many latents as there are meta-latents ` +
        `(between half and twice as many).`,
      found: compared.length === 0
        ? "No SAE was compared."
        : `Mean largest cosine above that of random rows, for ${size} meta-latents: ` +
          `${each.join(", ")}.`,
    },
    near.length === 0 || far.length === 0
      ? problemOf(compared, usable, sae, meta) ??
        "it takes an SAE of about their number and one of another size"
      : used.length < 2
      ? "fewer than two meta-latents are in use"
      : undefined,
    () => {
      const [nearest, other] = [best(near), best(far)].map(above);
      if (bounds(above(best(usable))).low <= 0) {
        return "none of the SAEs is clearly more like them than random rows are";
      }
      const { low, high } = bounds(nearest.map((value, i) => value - other[i]));
      return low > 0 ? true : high < 0 ? false : "the difference between the sizes is too small";
    },
  );
}

/**
 * Random rows explain something too, once encoder and bias are trained on them: what counts is how much
 * of that which the meta-latents explain beyond the better control is left.
 */
function replacement({ compared, decomposition, sae, meta }: MetaFindings): Claim {
  const before = decomposition.explainedVariance;
  const size = decomposition.metaLatents.rows;
  const near = compared.filter(({ dictSize }) => isAbout(dictSize, size))
    .sort((a, b) => distance(a, size) - distance(b, size))[0];
  const each = compared.map(({ name, replaced, replacedControls: { isotropic, matched } }) =>
    `${formatShare(replaced.explainedVariance)} with ${name} (random unit rows in their place ` +
    formatShare(isotropic.explainedVariance) +
    (matched ? `, of its covariance ${formatShare(matched.explainedVariance)})` : ")")
  );
  return decide(
    {
      claim:
        `Replaced by latents of an SAE of about their number, meta-latents explain nearly as ` +
        `much (at least ${formatShare(NEARLY)} of what they explain beyond random rows).`,
      found: compared.length === 0
        ? "No SAE was compared."
        : `Explained variance ${formatShare(before)} before, ${each.join(", ")}.`,
    },
    near === undefined
      ? "it takes an SAE with between half and twice as many latents as there are meta-latents"
      : comparedProblem(near, sae, meta) ?? replacementProblem(near),
    () => {
      const { replaced, replacedControls: { isotropic, matched } } = near!;
      const random = Math.max(0, isotropic.explainedVariance, matched!.explainedVariance);
      if (before - random < LEAST_GAP || before < MORE * random) {
        return `random rows in their place explain ${formatShare(random)}, nearly as much as the ` +
          `meta-latents: there is nothing to lose`;
      }
      return replaced.explainedVariance - random >= NEARLY * (before - random);
    },
  );
}

/** A verdict, or the reason why there is none: `problem`, or the text that `judge` gives. */
function decide(
  claim: Pick<Claim, "claim" | "found">,
  problem: string | undefined,
  judge: () => boolean | string,
): Claim {
  const verdict = problem ?? judge();
  return typeof verdict === "string"
    ? { ...claim, holds: undefined, why: verdict }
    : { ...claim, holds: verdict };
}

/** Whether some of all are most of them, also at the end of the interval that is nearer to half. */
function mostOf(some: number, all: number): boolean | string {
  const { low, high } = wilsonInterval(some, all);
  if (low > 0.5) return true;
  return high < 0.5 ? false : "a half is within the uncertainty of the share";
}

/** 95 % of the mean of values. */
function bounds(values: number[]): Interval {
  const own = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - own) ** 2, 0) / (values.length - 1);
  const half = Z95 * Math.sqrt(variance / values.length);
  return { low: own - half, high: own + half };
}

function percentile(values: Float32Array, share: number): number {
  return values.toSorted()[Math.max(0, Math.ceil(share * values.length) - 1)];
}

/** The cosine from which a meta-latent resembles a latent of an SAE. */
function chanceBar({ chance }: ComparedMetaLatents, used: readonly number[]): number {
  const own = [chance.isotropic, chance.matched].map((cosines) =>
    used.length === 0 ? 0 : percentile(Float32Array.from(used, (i) => cosines[i]), RARELY)
  );
  return Math.max(ALIKE, ...own);
}

/** Meta-latents that some latent uses: the others have not moved from where training began. */
function inUse({ metaLatents: { rows, rowOffsets } }: MetaFindings["decomposition"]): number[] {
  return Array.from({ length: rows }, (_, i) => i).filter((i) => rowOffsets[i + 1] > rowOffsets[i]);
}

/** Sizes are compared by their ratio: 1536 is as far from 3072 as 6144 is. */
function distance({ dictSize }: { dictSize: number }, size: number): number {
  return Math.abs(Math.log(dictSize / size));
}

function isAbout(dictSize: number, size: number): boolean {
  return dictSize <= ABOUT * size && size <= ABOUT * dictSize;
}

/** Why SAEs that were compared do not count, where some do not. */
function problemOf(
  compared: readonly ComparedMetaLatents[],
  usable: readonly ComparedMetaLatents[],
  sae: MetaFindings["sae"],
  meta: MetaFindings["meta"],
): string | undefined {
  const left = compared.find((other) => !usable.includes(other));
  return left && comparedProblem(left, sae, meta);
}

function part(some: number, all: number): string {
  return all === 0 ? "None" : `${some} of ${all} (${formatShare(some / all)})`;
}

function partBetween(some: number, all: number): string {
  if (all === 0) return "None";
  const { low, high } = wilsonInterval(some, all);
  return `${some} of ${all} (${formatShare(some / all)}, 95 % interval ${formatShare(low)} to ` +
    `${formatShare(high)})`;
}

function signed(value: number): string {
  return Number.isFinite(value) ? `${value < 0 ? "" : "+"}${minusSign(value.toFixed(3))}` : "–";
}
