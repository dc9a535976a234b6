/** What a training step did. One record per step. */
export interface StepRecord {
  /** Number of the step, from 1. */
  step: number;
  /** Samples seen so far, this step's included. */
  samples: number;
  /** What the step minimised: reconstruction loss + auxiliary loss + sparsity loss. */
  loss: number;
  /** Mean over samples and dimensions of (x − x̂)², after `lossNormalization`. */
  reconstructionLoss: number;
  /** α · mean over samples and dimensions of (ê − e)²; 0 while no latent is dead. */
  auxiliaryLoss: number;
  /** relu: λ · mean over samples of Σ f; jumprelu: λ · mean of L0; λ of this step; others 0. */
  sparsityLoss: number;
  /** Active latents per sample. */
  l0: number;
  /** Latents inactive in each of the last `deadAfter` batches. */
  deadLatents: number;
  /** Smallest activation kept in this batch; 0 where none was. */
  smallestKept: number;
  /** Mean over latents of the threshold θ that the step started with; jumprelu only. */
  meanThreshold?: number;
  /** Norm of all gradients before they were clipped; only with `gradientClip`. */
  gradientNorm?: number;
  /**
   * 1 where the step was computed by dense products, as ReLU and JumpReLU are while many latents are active.
   * On the CPU they are a library's: bits may be others on other machines.
   */
  dense?: 1;
  /** λ of this step; relu and jumprelu only. */
  sparsityCoefficient?: number;
  /**
   * The reconstruction loss that the mean of this step's batch would have in place of x̂, in the same
   * units; in steps 1, 101, 201, …
   */
  meanLoss?: number;
}
