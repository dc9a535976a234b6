// Options that not all architectures have, by architecture. Types only: an SAE, a descriptor and the registry need them.

/** Options of architectures with a given number of active latents. */
export interface LargestOptions {
  /**
   * topk, batchtopk and its variants: active latents per sample, on average except for topk (default: that of
   * `initial`).
   */
  k?: number;
  /** The same: α, weight of the auxiliary loss (default 1/4; the paper has 1/32; 0 turns it off). */
  auxCoefficient?: number;
}

/** Options of a sparsity loss. */
export interface PenalizedOptions {
  /** relu, jumprelu: λ, weight of the sparsity loss; needed there, unless `targetL0` is given. */
  sparsityCoefficient?: number;
  /**
   * relu, jumprelu: active latents per sample to end with; in place of `sparsityCoefficient`, which is then
   * steered: `StepRecord.sparsityCoefficient` has its path.
   */
  targetL0?: number;
  /**
   * relu, jumprelu: steps over which λ rises linearly: step t has λ · t / sparsityWarmupSteps, from
   * that step on λ (default 0: λ from the first step on).
   */
  sparsityWarmupSteps?: number;
}

/** Options of JumpReLU. */
export interface JumpReluOptions extends PenalizedOptions {
  /**
   * jumprelu: ε, width of the window around θ in which a pre-activation z counts for θ's gradient,
   * |z − θ| < ε/2, in units of the normalised activations (default 0.2; the authors', 0.001, hardly moves
   * a threshold in a run of some thousand steps).
   */
  bandwidth?: number;
  /**
   * jumprelu: start of every threshold θ (default: those of `initial`, else with `targetL0` where the first
   * batch has a third more active latents than that, else 0.5).
   */
  initialThreshold?: number;
  /**
   * jumprelu: Adam's learning rate for log θ (default `learningRate`, with `targetL0` 0.005). It rises and
   * falls as the other does, and is 0 where that is.
   */
  thresholdLearningRate?: number;
}

/** Every architecture by its name, with its own options of training. */
export interface Architectures {
  /** All pre-activations that are positive. */
  relu: PenalizedOptions;
  /** The k largest of each sample. */
  topk: LargestOptions;
  /** The n·k largest of a batch. */
  batchtopk: LargestOptions;
  /** All above a learned threshold per latent. */
  jumprelu: JumpReluOptions;
  /** As batchtopk; nested prefixes of the dictionary reconstruct too. */
  matryoshka_batchtopk: LargestOptions & {
    /**
     * matryoshka_batchtopk: number of latents of each prefix of the dictionary that reconstructs by itself,
     * ascending, the last with all (default: m/16, m/8, m/4, m/2 and m).
     */
    prefixes?: number[];
  };
}

/** How an SAE selects its active latents. */
export type Architecture = keyof Architectures;

/** Options of training that not all architectures have. */
export type OwnOptions = { [Name in Architecture]: (own: Architectures[Name]) => void } extends
  Record<Architecture, (own: infer All) => void> ? All : never;
