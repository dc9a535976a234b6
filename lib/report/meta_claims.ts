import type { Decomposition } from "../meta/decompose.ts";
import type { MetaComparison } from "../meta/compare_meta_latents.ts";
import type { MetaMeasures } from "../meta/measure_meta_sae.ts";
import type { Claim } from "./claim.ts";
import { formatShare } from "./format_number.ts";

/** What was found of meta-latents beside one SAE. */
export interface ComparedMetaLatents extends MetaComparison {
  /** Mean largest cosine of the meta-latents with as many random directions. */
  chanceCosine: number;
  /** The meta-SAE with this SAE's decoder rows in place of its own (Fig. 23). */
  replaced: MetaMeasures;
}

/** What the claims about a meta-SAE are judged by. */
export interface MetaFindings {
  /** The SAE's latents taken apart, and how well. */
  decomposition: Decomposition;
  /** Active meta-latents a latent that training asked for. */
  k?: number;
  /** The same training on random unit vectors of the same shape. */
  control?: MetaMeasures;
  /** SAEs beside which meta-latents were put, by size. */
  compared: readonly ComparedMetaLatents[];
}

// Where a claim has no sign to be judged by, this run's bound is said with it. 0.7 is the paper's
// bound for a latent that is no novelty (Eq. 6, GPT-2).
const ALIKE = 0.7;
const NEARLY = 0.9;
// A meta-SAE of random rows explains 1.01 times as much as its control.
const MORE = 1.2;

/** The claims of section 5 about meta-SAEs, with the numbers of one run. */
export function metaClaims(findings: MetaFindings): Claim[] {
  return [
    structure(findings),
    composition(findings),
    resemblance(findings),
    comparableSize(findings),
    replacement(findings),
  ];
}

function structure({ decomposition, control }: MetaFindings): Claim {
  const { explainedVariance, metaLatents, deadMetaLatents } = decomposition;
  const known = Number.isFinite(explainedVariance);
  return {
    claim:
      `Decoder rows share a few directions: a meta-SAE explains more of them than of random ones ` +
      `(at least ${MORE} times as much).`,
    found:
      (known
        ? `It explains ${formatShare(explainedVariance)} of their variance (the paper's 55.5 %)`
        : "The rows do not vary") +
      (control
        ? `, the same training ${formatShare(control.explainedVariance)} of that of random unit ` +
          `vectors. `
        : `. No control was trained. `) +
      `${deadMetaLatents} of ${metaLatents.rows} meta-latents are in no latent.`,
    holds: control && known
      ? explainedVariance > 0 && explainedVariance >= MORE * control.explainedVariance
      : undefined,
  };
}

function composition({ decomposition: { latents, l0 }, k }: MetaFindings): Claim {
  const { rows, rowOffsets } = latents;
  const counts = Array.from({ length: rows }, (_, i) => rowOffsets[i + 1] - rowOffsets[i]);
  const several = counts.filter((count) => count > 1).length;
  const none = counts.filter((count) => count === 0).length;
  return {
    claim: "Latents are not atomic: most are compositions of several meta-latents.",
    found: `${part(several, rows)} have two or more, ${none} have none; on average ` +
      `${l0.toFixed(2)}` + (k === undefined ? "." : `, where training asked for ${k}.`),
    holds: rows === 0 ? undefined : several > rows / 2,
  };
}

function resemblance({ compared, decomposition }: MetaFindings): Claim {
  const claim =
    `Most meta-latents resemble a latent of a smaller SAE (cosine of at least ${ALIKE}).`;
  const smaller = compared.filter(({ dictSize }) => dictSize < decomposition.latents.rows);
  if (smaller.length === 0) {
    return { claim, found: "No smaller SAE was compared.", holds: undefined };
  }
  const best = decomposition.metaLatents.rows;
  const alike = Array.from(
    { length: best },
    (_, i) => smaller.some(({ cosine }) => cosine[i] >= ALIKE),
  ).filter((found) => found).length;
  const each = smaller.map((other) =>
    `${other.name} ${other.meanCosine.toFixed(3)} (random directions ` +
    `${other.chanceCosine.toFixed(3)})`
  );
  return {
    claim,
    found: `${part(alike, best)} do. Mean largest cosine: ${each.join(", ")}.`,
    holds: alike > best / 2,
  };
}

function comparableSize({ compared, decomposition: { metaLatents } }: MetaFindings): Claim {
  const claim =
    "They are most like the SAE that has about as many latents as there are meta-latents.";
  if (new Set(compared.map(({ dictSize }) => dictSize)).size < 2) {
    return { claim, found: "It takes SAEs of two sizes to tell.", holds: undefined };
  }
  const above = (other: ComparedMetaLatents) => other.meanCosine - other.chanceCosine;
  const most = compared.reduce((a, b) => above(b) > above(a) ? b : a);
  const nearest = nearestInSize(compared, metaLatents.rows);
  const each = compared.map((other) => `${other.name} ${signed(above(other))}`);
  return {
    claim,
    found: `Mean largest cosine above that of random directions, for ${metaLatents.rows} ` +
      `meta-latents: ${each.join(", ")}.`,
    holds: most.dictSize === nearest.dictSize,
  };
}

function replacement({ compared, decomposition }: MetaFindings): Claim {
  const claim =
    `Replaced by latents of an SAE of about their number, meta-latents explain nearly as ` +
    `much (at least ${formatShare(NEARLY)} of it).`;
  if (compared.length === 0) return { claim, found: "No SAE was compared.", holds: undefined };
  const before = decomposition.explainedVariance;
  const nearest = nearestInSize(compared, decomposition.metaLatents.rows);
  const each = compared.map(({ name, replaced }) =>
    `${formatShare(replaced.explainedVariance)} with ${name}`
  );
  return {
    claim,
    found: `Explained variance ${formatShare(before)} before, ${each.join(", ")}.`,
    holds: before > 0 ? nearest.replaced.explainedVariance >= NEARLY * before : undefined,
  };
}

/** Sizes are compared by their ratio: 1536 is as far from 3072 as 6144 is. */
function nearestInSize(
  compared: readonly ComparedMetaLatents[],
  size: number,
): ComparedMetaLatents {
  const distance = ({ dictSize }: ComparedMetaLatents) => Math.abs(Math.log(dictSize / size));
  return compared.reduce((a, b) => distance(b) < distance(a) ? b : a);
}

function part(some: number, all: number): string {
  return `${some} of ${all} (${formatShare(some / all)})`;
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
