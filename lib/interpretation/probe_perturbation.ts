import type { SparseMatrix } from "../matrix.ts";
import type { Sae } from "../sae/sae.ts";
import { logOdds } from "./logistic_regression.ts";
import type { MeanActivations } from "./mean_activations.ts";
import type { ProbeSet } from "./probe_sets.ts";
import { countCorrect, type DenseProbe, meanDifferences } from "./sparse_probes.ts";

/** Options of {@linkcode probePerturbation}. */
export interface PerturbationOptions {
  /** How many latents are ablated (default 2, 5, 10, 20, 50, 100 and 500, as in Fig. 26). */
  counts?: readonly number[];
}

/** What ablating the latents of each class does to the probes of all classes. */
export interface ProbePerturbation {
  /** Names of the classes. */
  labels: string[];
  /** Latents ablated per class. */
  count: number;
  /** Accuracy of each class's probe with nothing ablated, [classes]. */
  clean: Float64Array;
  /**
   * Accuracies after the ablation, [classes, classes]: entry (i, j) is the accuracy of the probe of class j
   * where the latents of class i are ablated.
   */
  ablated: Float64Array;
  /** The latents of each class, those with the largest effect first; fewer where fewer have one. */
  latents: Uint32Array[];
  /**
   * SAEBench's score: mean over classes i of (clean_i − ablated_ii) − mean over j ≠ i of (clean_j − ablated_ij).
   * Large where ablation hurts the class's own probe and no other.
   */
  score: number;
  /**
   * Eq. 12 as it is printed: mean of ablated_ii − mean of ablated_ij over i ≠ j. Low where it is good. Clean accuracies
   * cancel in a mean over all classes, so that it is −score.
   */
  printedScore: number;
}

/**
 * Targeted probe perturbation (Eq. 11 and 12, Fig. 26): whether the latents that stand for a class carry it and
 * nothing else. The effect of latent l on class i is max(0, f̄⁺ − f̄⁻) · (w_l · p_i), f̄ being means of
 * `contributions` over training texts, p_i the weights of the class's probe on the residual stream; the latents
 * with the largest effect above zero are ablated, the SAE's error is kept. Ablation takes f_l·w_l from every
 * token, and a mean is linear: the log odds of a probe fall by Σ_l f̄_l · (w_l · p), so that one reading of the
 * texts serves every class and count.
 *
 * @param means What `meanActivations` gave; entry `which` of its SAEs is `sae`.
 * @param sets What `probeSets` gave: at least two classes.
 * @param probes What `denseProbes` gave for `means.residual` and the sets.
 * @returns One result per count.
 * @throws {RangeError} There are fewer than two sets, or sizes differ.
 */
export function probePerturbation(
  sae: Sae,
  means: MeanActivations,
  which: number,
  sets: readonly ProbeSet[],
  probes: readonly DenseProbe[],
  { counts = [2, 5, 10, 20, 50, 100, 500] }: PerturbationOptions = {},
): ProbePerturbation[] {
  check(sae, means, which, sets, probes);
  const { dictSize, dModel, wDec } = sae;
  const features: SparseMatrix = { ...means.latents[which], values: means.contributions[which] };
  // alongs[j][l] = w_l · p_j: what one unit of latent l adds to the log odds of class j.
  const alongs = probes.map(({ weights }) => {
    const along = new Float64Array(dictSize);
    for (let l = 0; l < dictSize; l++) {
      for (let i = 0, at = l * dModel; i < dModel; i++) along[l] += wDec[at + i] * weights[i];
    }
    return along;
  });
  const ranked = sets.map((set, i) => rankByEffect(meanDifferences(features, set), alongs[i]));
  const odds = sets.map(({ test }, j) => {
    const cols = means.residual.cols;
    const data = new Float32Array(test.length * cols);
    test.forEach((text, row) =>
      data.set(means.residual.data.subarray(text * cols, (text + 1) * cols), row * cols)
    );
    return logOdds({ data, rows: test.length, cols }, probes[j]);
  });
  const share = (values: Float64Array, j: number) =>
    countCorrect(values, sets[j].testPositive) / values.length;
  const clean = Float64Array.from(odds, share);
  return counts.map((count) => {
    const latents = ranked.map((own) => own.slice(0, count));
    const ablated = new Float64Array(sets.length ** 2);
    latents.forEach((own, i) => {
      const gone = new Set(own);
      sets.forEach(({ test }, j) => {
        const values = odds[j].map((value, row) =>
          value - lost(features, test[row], gone, alongs[j])
        );
        ablated[i * sets.length + j] = share(values, j);
      });
    });
    return {
      labels: sets.map(({ label }) => label),
      ...{ count, clean, ablated, latents },
      ...scores(clean, ablated),
    };
  });
}

function rankByEffect(difference: Float64Array, along: Float64Array): Uint32Array {
  const effect = difference.map((value, l) => Math.max(0, value) * along[l]);
  return Uint32Array.from({ length: effect.length }, (_, l) => l).filter((l) => effect[l] > 0)
    .sort((a, b) => effect[b] - effect[a] || a - b);
}

function lost(
  { rowOffsets, latents, values }: SparseMatrix,
  text: number,
  gone: ReadonlySet<number>,
  along: Float64Array,
): number {
  let sum = 0;
  for (let e = rowOffsets[text]; e < rowOffsets[text + 1]; e++) {
    if (gone.has(latents[e])) sum += values[e] * along[latents[e]];
  }
  return sum;
}

function scores(
  clean: Float64Array,
  ablated: Float64Array,
): Pick<ProbePerturbation, "score" | "printedScore"> {
  const n = clean.length;
  let score = 0;
  let printedScore = 0;
  for (let i = 0; i < n; i++) {
    let others = 0;
    let kept = 0;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      others += (clean[j] - ablated[i * n + j]) / (n - 1);
      kept += ablated[i * n + j] / (n - 1);
    }
    score += (clean[i] - ablated[i * n + i] - others) / n;
    printedScore += (ablated[i * n + i] - kept) / n;
  }
  return { score, printedScore };
}

function check(
  sae: Sae,
  means: MeanActivations,
  which: number,
  sets: readonly ProbeSet[],
  probes: readonly DenseProbe[],
): void {
  if (sets.length < 2) {
    throw new RangeError(
      `there are sets of ${sets.length} classes, expected at least two (three or more labels)`,
    );
  }
  if (probes.length !== sets.length) {
    throw new RangeError(`there are ${probes.length} probes for ${sets.length} classes`);
  }
  const codes = means.latents[which];
  if (codes === undefined) {
    throw new RangeError(`which is ${which}, the means are of ${means.latents.length} SAEs`);
  }
  if (codes.cols !== sae.dictSize || means.residual.cols !== sae.dModel) {
    throw new RangeError(
      `the means are of ${codes.cols} latents and ${means.residual.cols} channels, the SAE has ` +
        `${sae.dictSize} and ${sae.dModel}`,
    );
  }
}
