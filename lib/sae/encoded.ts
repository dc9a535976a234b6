import type { Matrix, SparseMatrix } from "../matrix.ts";

/**
 * How active latents are found: "threshold" compares each pre-activation with its latent's threshold
 * (Eq. 8), so that a sample does not depend on its batch; "topk" keeps the k largest of each sample
 * (Eq. 9); "batch" keeps the n·k largest of the matrix that is passed in, as batchtopk does in
 * training (Eq. 7).
 */
export type Selection = "threshold" | "topk" | "batch";

/** Options of everything that runs a trained SAE. */
export interface InferenceOptions {
  /**
   * How active latents are found (default: "topk" for topk SAEs, "threshold" for all others); of a
   * stitched SAE, in both of its SAEs.
   */
  selection?: Selection;
}

/**
 * Codes and errors of a block of samples. Activations are those of the normalised samples, errors are
 * those of the original samples: transform and normalisation are undone.
 */
export interface Encoded {
  /** Active latents of each sample. */
  codes: SparseMatrix;
  /** Σ_d (x − x̂)² of each sample. */
  squaredErrors: Float32Array;
  /** x − x̂, [rows, d]; only on request. */
  residual?: Float32Array;
}

/** An SAE that is ready on the GPU. Owns its buffers. */
export interface Inference {
  /** Encodes and decodes samples. Runs wait for one another. */
  run(x: Matrix, options?: { residual?: boolean }): Promise<Encoded>;
  /** Frees the SAE's buffers. */
  [Symbol.dispose](): void;
}
