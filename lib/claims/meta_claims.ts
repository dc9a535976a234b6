import type { Decomposition } from "../meta/decompose.ts";
import { formatShare, partOf, signed } from "../format_number.ts";
import { meanInterval, wilsonInterval } from "./intervals.ts";
import { mean } from "../mean.ts";
import {
  type ComparedMetaLatents,
  leastSingleErrors,
  type MetaFindings,
} from "../meta/meta_findings.ts";
import {
  chanceOf,
  comparedProblem,
  controlProblem,
  metaProblem,
  replacementProblem,
  singleProblem,
} from "./meta_problems.ts";
import { type Claim, fact, isShareAbove, notDecided, type Verdict } from "./verdict.ts";

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
    return problem === undefined ? claim : { ...claim, ...notDecided(problem) };
  });
}

function structure({ decomposition, controls }: MetaFindings): Claim {
  const { explainedVariance, metaLatents, deadMetaLatents } = decomposition;
  const [isotropic, matched] = [controls?.isotropic, controls?.matched]
    .map((control) => control?.explainedVariance ?? NaN);
  const most = Math.max(isotropic, matched);
  return {
    claim:
      `Decoder rows share a few directions: a meta-SAE explains more of them than of random rows, ` +
      `also of rows with the same covariance (at least ${MORE} times as much).`,
    found:
      (Number.isFinite(explainedVariance)
        ? `It explains ${formatShare(explainedVariance)} of their variance (the paper's 55.5 %)`
        : "The rows do not vary") +
      (controls
        ? `, the same training ${formatShare(isotropic)} of that of random unit rows and ` +
          `${formatShare(matched)} of that of random rows with their covariance. `
        : `. No control was trained. `) +
      `${deadMetaLatents} of ${metaLatents.rows} meta-latents are in no latent.`,
    ...unless(controlProblem(controls), () => {
      if (explainedVariance < HARDLY_MORE * most) return fact(false);
      if (explainedVariance >= MORE * most && explainedVariance - most >= LEAST_GAP) {
        return fact(true);
      }
      const times = (explainedVariance / most).toFixed(2);
      return notDecided(`${times} times as much is too near to ${MORE} times`);
    }),
  };
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
  const random = controls ? [controls.isotropic, controls.matched].map(sharesOfRest) : [];
  const bar = Math.max(...random.map((own) => percentile(own, RARELY)));
  const composed =
    shares.filter((share, i) =>
      controls && share > bar && singleErrors[i] - squaredErrors[i] >= A_TENTH * variance
    ).length;
  const [share, ofUnit, ofMatched] = [shares, ...random].map((own) => formatShare(mean(own)));
  return {
    claim:
      `Latents are not atomic: most are compositions of several meta-latents (of what the best ` +
      `single one leaves, several explain more than for 95 % of random rows, and at least ` +
      `${formatShare(A_TENTH)} of the variance).`,
    found: `${partOf(several, rows)} have two or more meta-latents; on average ${l0.toFixed(2)}` +
      (k === undefined ? "" : `, where training asked for ${k}`) + "." +
      (rows === 0
        ? ""
        : ` Of what the best single one leaves several explain ${share} on average`) +
      (controls && rows > 0
        ? `, of random unit rows ${ofUnit}, of random rows with their covariance ${ofMatched}. ` +
          `${partBetween(composed, rows)} are compositions by this measure.`
        : "."),
    ...unless(rows === 0 ? "there are no latents" : controlProblem(controls), () => {
      const verdict = isShareAbove(composed, rows, "latents");
      // A better meta-SAE with k = 1 could only leave fewer compositions.
      return verdict.holds === false ? verdict : unless(
        singleProblem(controls?.single),
        () => verdict,
      );
    }),
  };
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
  const byChance = usable.map(({ name, chance }) => {
    const reach = [chance.isotropic, chance.matched]
      .map((own) => used.filter((i) => own[i] >= ALIKE).length);
    return `${Math.max(...reach)} reach ${ALIKE} (${name})`;
  });
  const each = smaller.map(({ name, meanCosine, chance }) =>
    `${name} ${meanCosine.toFixed(3)} (random unit rows ${mean(chance.isotropic).toFixed(3)}, of ` +
    `its covariance ${mean(chance.matched).toFixed(3)})`
  );
  return {
    claim:
      `Most meta-latents resemble a latent of a smaller SAE (cosine of at least ${ALIKE}, and ` +
      `above what 95 % of meta-latents have with random rows).`,
    found: smaller.length === 0
      ? "No smaller SAE was compared."
      : (usable.length === 0
        ? ""
        : `${partBetween(alike, used.length)} of the meta-latents in use do; with random rows ` +
          `${byChance.join(", ")}. `) + `Mean largest cosine: ${each.join(", ")}.`,
    ...unless(
      smaller.length === 0
        ? "it takes an SAE with fewer latents"
        : usable.length === 0
        ? comparedProblem(smaller[0], sae, meta)
        : undefined,
      () => isShareAbove(alike, used.length, "meta-latents in use"),
    ),
  };
}

function comparableSize({ compared, decomposition, sae, meta }: MetaFindings): Claim {
  const size = decomposition.metaLatents.rows;
  const used = inUse(decomposition);
  const problems = compared.map((other) => comparedProblem(other, sae, meta));
  const usable = compared.filter((_, i) => problems[i] === undefined);
  const above = (other: ComparedMetaLatents) => {
    const chance = chanceOf(other);
    return used.map((i) => other.cosine[i] - chance[i]);
  };
  const best = (saes: ComparedMetaLatents[]) =>
    saes.map(above).reduce((a, b) => mean(b) > mean(a) ? b : a);
  const near = usable.filter(({ dictSize }) => isAbout(dictSize, size));
  const far = usable.filter(({ dictSize }) => !isAbout(dictSize, size));
  const each = compared.map((other) =>
    `${other.name} ${signed(mean(above(other)), threeDecimals)}`
  );
  return {
    claim: `They are most like the SAE that has about as many latents as there are meta-latents ` +
      `(between half and twice as many).`,
    found: compared.length === 0
      ? "No SAE was compared."
      : `Mean largest cosine above that of random rows, for ${size} meta-latents: ` +
        `${each.join(", ")}.`,
    ...unless(
      near.length === 0 || far.length === 0
        ? problems.find((problem) => problem !== undefined) ??
          "it takes an SAE of about their number and one of another size"
        : used.length < 2
        ? "fewer than two meta-latents are in use"
        : undefined,
      () => {
        if (meanInterval(best(usable)).low <= 0) {
          return notDecided("none of the SAEs is clearly more like them than random rows are");
        }
        const [nearest, other] = [best(near), best(far)];
        const { low, high } = meanInterval(nearest.map((value, i) => value - other[i]));
        return low > 0 || high < 0
          ? fact(low > 0)
          : notDecided("the difference between the sizes is too small");
      },
    ),
  };
}

/**
 * Random rows explain something too, once encoder and bias are trained on them: what counts is how much
 * of that which the meta-latents explain beyond the better control is left.
 */
function replacement({ compared, decomposition, sae, meta }: MetaFindings): Claim {
  const before = decomposition.explainedVariance;
  const size = decomposition.metaLatents.rows;
  // Sizes are compared by their ratio: 1536 is as far from 3072 as 6144 is.
  const distance = ({ dictSize }: ComparedMetaLatents) => Math.abs(Math.log(dictSize / size));
  const near = compared.filter(({ dictSize }) => isAbout(dictSize, size))
    .sort((a, b) => distance(a) - distance(b))[0];
  const each = compared.map(({ name, replaced, replacedControls: { isotropic, matched } }) =>
    `${formatShare(replaced.explainedVariance)} with ${name} (random unit rows in their place ` +
    formatShare(isotropic.explainedVariance) +
    (matched ? `, of its covariance ${formatShare(matched.explainedVariance)})` : ")")
  );
  return {
    claim: `Replaced by latents of an SAE of about their number, meta-latents explain nearly as ` +
      `much (at least ${formatShare(NEARLY)} of what they explain beyond random rows).`,
    found: compared.length === 0
      ? "No SAE was compared."
      : `Explained variance ${formatShare(before)} before, ${each.join(", ")}.`,
    ...unless(
      near === undefined
        ? "it takes an SAE with between half and twice as many latents as there are meta-latents"
        : comparedProblem(near, sae, meta) ?? replacementProblem(near),
      () => {
        const { replaced, replacedControls: { isotropic, matched } } = near!;
        const random = Math.max(0, isotropic.explainedVariance, matched!.explainedVariance);
        if (before - random < LEAST_GAP || before < MORE * random) {
          return notDecided(
            `random rows in their place explain ${formatShare(random)}, nearly as much as the ` +
              `meta-latents: there is nothing to lose`,
          );
        }
        return fact(replaced.explainedVariance - random >= NEARLY * (before - random));
      },
    ),
  };
}

/** A verdict, or none where there is a problem. */
function unless(problem: string | undefined, judge: () => Verdict): Verdict {
  return problem === undefined ? judge() : notDecided(problem);
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

function isAbout(dictSize: number, size: number): boolean {
  return dictSize <= ABOUT * size && size <= ABOUT * dictSize;
}

function partBetween(some: number, all: number): string {
  const { low, high } = wilsonInterval(some, all);
  const range = `, 95 % interval ${formatShare(low)} to ${formatShare(high)})`;
  return partOf(some, all).replace(/\)$/, range);
}

const threeDecimals = (value: number): string => value.toFixed(3);
