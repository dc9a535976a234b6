import type { MetaComparison } from "../meta/compare_meta_latents.ts";
import type { Decomposition } from "../meta/decompose.ts";
import type { MetaMeasures } from "../meta/measure_meta_sae.ts";
import type { ReplacementControls } from "../meta/replace_meta_decoder.ts";
import { CONVERGED } from "../training/loss_change.ts";
import { formatShare } from "./format_number.ts";

/** What is known of how well an SAE was trained; what is not known stays out. */
export interface TrainingQuality {
  /**
   * `metadata.lossChange`: relative change of the reconstruction loss from the second-to-last tenth of
   * its steps to the last; below zero where it still fell.
   */
  lossChange?: number;
  /** Its NMSE; 1 or more where it is no better than the mean. */
  nmse?: number;
  /** The seed that it was trained with. */
  seed?: number;
}

/**
 * Random rows that were taken apart as the decoder rows were, by a meta-SAE of their own. Their
 * `singleErrors` are the smaller ones of that meta-SAE and of one with k = 1, as those of the decoder rows.
 */
export interface MetaControl extends Decomposition {
  /** Of its meta-SAE's training. */
  lossChange?: number;
}

/** What was found of meta-latents beside one SAE. */
export interface ComparedMetaLatents extends MetaComparison, TrainingQuality {
  /** [meta-latents] the largest cosine with one of as many random rows. */
  chance: {
    /** Random unit rows. */
    isotropic: Float32Array;
    /** Rows of the mean and covariance of this SAE's decoder rows. */
    matched: Float32Array;
  };
  /** The meta-SAE with this SAE's decoder rows in place of its own (Fig. 23). */
  replaced: MetaMeasures & Pick<TrainingQuality, "lossChange">;
  /** The same with random rows in their place. */
  replacedControls: ReplacementControls;
}

/** What the claims about a meta-SAE are judged by. */
export interface MetaFindings {
  /** The SAE's latents taken apart, and how well. */
  decomposition: Decomposition;
  /** Active meta-latents per latent that training asked for. */
  k?: number;
  /** Of the SAE that was taken apart. */
  sae?: TrainingQuality;
  /** Of the meta-SAE. */
  meta?: Pick<TrainingQuality, "lossChange" | "seed">;
  /** The same training on random rows of the same shape, and with one meta-latent a row. */
  controls?: {
    /** Random unit rows. */
    isotropic: MetaControl;
    /** Rows of the mean and covariance of the decoder rows. */
    matched: MetaControl;
    /** The decoder rows themselves, by a meta-SAE with k = 1: what one meta-latent a row explains. */
    single?: MetaControl;
  };
  /** SAEs beside which meta-latents were put, by size. */
  compared: readonly ComparedMetaLatents[];
}

/** What the best single meta-latent leaves, out of a meta-SAE and, where there is one, that with k = 1. */
export function leastSingleErrors(
  { singleErrors }: Decomposition,
  single: Decomposition | undefined,
): Float32Array {
  const other = single?.singleErrors ?? singleErrors;
  return singleErrors.map((error, i) => Math.min(error, other[i]));
}

/** Mean of numbers. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** The control with the larger cosines: the one to be beaten. */
export function chanceOf({ chance: { isotropic, matched } }: ComparedMetaLatents): Float32Array {
  return mean(matched) > mean(isotropic) ? matched : isotropic;
}

/** Why nothing can be said of a meta-SAE, where nothing can. */
export function metaProblem({ decomposition, sae, meta }: MetaFindings): string | undefined {
  const { explainedVariance } = decomposition;
  if (!Number.isFinite(explainedVariance)) return "the decoder rows do not vary";
  if (explainedVariance <= 0) {
    const explained = formatShare(explainedVariance);
    return `the meta-SAE explains ${explained}, no more than the mean of the rows`;
  }
  return unfinished("the meta-SAE", meta) ?? unfinished("the SAE", sae);
}

/** Why there is nothing to judge a meta-SAE by, where there is not. */
export function controlProblem(controls: MetaFindings["controls"]): string | undefined {
  if (!controls) return "no control was trained";
  const named = [[controls.isotropic, "unit rows"], [controls.matched, "rows"]] as const;
  for (const [control, name] of named) {
    const explained = control.explainedVariance;
    const problem = explained > 0
      ? unfinished(`the control on random ${name}`, control)
      : `the control explains ${formatShare(explained)} of random ${name}, no more than their mean`;
    if (problem !== undefined) return problem;
  }
}

/** Why it cannot be told whether one meta-latent a row would do, where it cannot. */
export function singleProblem(single: MetaControl | undefined): string | undefined {
  if (!single) return "no meta-SAE with one meta-latent a row was trained";
  return unfinished("the meta-SAE with one meta-latent a row", single);
}

/** Why the likeness to an SAE says nothing, where it does not. */
export function comparedProblem(
  other: ComparedMetaLatents,
  sae: TrainingQuality = {},
  meta: TrainingQuality = {},
): string | undefined {
  for (const [{ seed }, name] of [[meta, "meta-SAE"], [sae, "SAE that is taken apart"]] as const) {
    if (seed !== undefined && seed === other.seed) {
      return `${other.name} has the seed of the ${name}, ${seed}: both started from the same ` +
        `directions`;
    }
  }
  return unfinished(other.name, other);
}

/** Why a replacement cannot be judged, where it cannot. */
export function replacementProblem(
  { name, replaced, replacedControls: { isotropic, matched } }: ComparedMetaLatents,
): string | undefined {
  if (!matched) return "no control of the same covariance was trained";
  const all = [replaced, isotropic, matched].map(({ explainedVariance }) => explainedVariance);
  if (!all.every(Number.isFinite)) return "what the replaced rows explain is not known";
  return unfinished(`the meta-SAE with rows of ${name}`, replaced) ??
    unfinished("the meta-SAE with random unit rows", isotropic) ??
    unfinished(`the meta-SAE with random rows of the covariance of ${name}`, matched);
}

/** Why an SAE is no ground for a verdict, where it is not. */
function unfinished(name: string, { lossChange, nmse }: TrainingQuality = {}): string | undefined {
  if (nmse !== undefined && !(nmse < 1)) return `${name} is no better than the mean (NMSE ${nmse})`;
  if (lossChange !== undefined && !(lossChange >= CONVERGED)) {
    return `the loss of ${name} still fell by ${formatShare(-lossChange)} at its end: train longer`;
  }
}
