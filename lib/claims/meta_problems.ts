// Why numbers of a meta-SAE decide nothing, where they do not.
import { mean } from "../mean.ts";
import type {
  ComparedMetaLatents,
  MetaControl,
  MetaFindings,
  TrainingQuality,
} from "../meta/meta_findings.ts";
import { CONVERGED } from "../training/loss_change.ts";
import { formatShare } from "../format_number.ts";

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

/** Why it cannot be told whether one meta-latent per row would do, where it cannot. */
export function singleProblem(single: MetaControl | undefined): string | undefined {
  if (!single) return "no meta-SAE with one meta-latent per row was trained";
  return unfinished("the meta-SAE with one meta-latent per row", single);
}

/** Why the likeness to an SAE says nothing, where it does not. */
export function comparedProblem(
  other: ComparedMetaLatents,
  sae: TrainingQuality = {},
  meta: TrainingQuality = {},
): string | undefined {
  for (const [{ seed }, name] of [[meta, "meta-SAE"], [sae, "decomposed SAE"]] as const) {
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
