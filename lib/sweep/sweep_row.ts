import type { SweepCell } from "./grid.ts";
import type { CellState } from "./sweep_store.ts";

/** One SAE of a sweep: what it is, and what was measured. A row of sweep.csv. */
export interface SweepRow {
  /** Name of the SAE. */
  name: string;
  /** How it selects latents. */
  architecture: string;
  /** Number of latents m. */
  dictSize: number;
  /** Active latents per sample, where the architecture is given their number. */
  k?: number;
  /** Active latents per sample to end with, where the architecture is given that. */
  targetL0?: number;
  /** Sparsity coefficient λ, where the architecture has one. */
  sparsityCoefficient?: number;
  /** What else tells it from others of its kind, such as "lr0.001"; often empty. */
  variant: string;
  /** Seed of its weights. */
  seed: number;
  /** Training steps. */
  steps: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖². */
  nmse: number;
  /** 1 − NMSE. */
  explainedVariance: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Mean over samples of Σ_d (x − x̂)². */
  mse: number;
  /** Cross-entropy of the model as it is, nats per token. */
  ceClean: number;
  /** Cross-entropy with the SAE spliced in. */
  ceSpliced: number;
  /** Cross-entropy with the activations replaced by zero. */
  ceZeroAblated: number;
  /** Cross-entropy with the activations replaced by their mean. */
  ceMeanAblated: number;
  /** ceSpliced − ceClean. */
  ceDegradation: number;
  /** Share of the loss by zero ablation that the SAE recovers. */
  ceRecoveredFromZero: number;
  /** Share of the loss by mean ablation that the SAE recovers. */
  ceRecoveredFromMean: number;
  /** Latents that were active in no sample. */
  deadLatents: number;
  /** Activations that were excluded as massive, where some were. */
  leftOut?: number;
  /** NMSE on all activations, massive ones included, where some were left out. */
  nmseAll?: number;
  /** L0 on all activations, massive ones included, where some were left out. */
  l0All?: number;
  /** What went wrong in training, kinds of warnings separated by blanks; often empty. */
  warnings?: string;
}

/** The row of an SAE that was measured; NaN where its cross-entropy was not. */
export function rowOf({ name, variant, options }: SweepCell, state: CellState): SweepRow {
  const { evaluation, crossEntropy } = state.measured!;
  const { nmse, explainedVariance, l0, mse, deadLatents } = evaluation;
  return {
    ...{ name, variant, architecture: options.architecture, dictSize: options.dictSize! },
    ...{ k: options.k, targetL0: options.targetL0 },
    sparsityCoefficient: options.sparsityCoefficient,
    ...{ seed: options.seed ?? 0, steps: state.trained.steps },
    ...{ nmse, explainedVariance, l0, mse },
    ceClean: crossEntropy?.clean ?? NaN,
    ceSpliced: crossEntropy?.spliced ?? NaN,
    ceZeroAblated: crossEntropy?.zeroAblated ?? NaN,
    ceMeanAblated: crossEntropy?.meanAblated ?? NaN,
    ceDegradation: crossEntropy?.degradation ?? NaN,
    ceRecoveredFromZero: crossEntropy?.recoveredFromZero ?? NaN,
    ceRecoveredFromMean: crossEntropy?.recoveredFromMean ?? NaN,
    deadLatents,
    ...(evaluation.all
      ? { leftOut: evaluation.leftOut, nmseAll: evaluation.all.nmse, l0All: evaluation.all.l0 }
      : {}),
    warnings: state.trained.warnings?.join(" ") ?? "",
  };
}
