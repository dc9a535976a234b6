import type { Architecture } from "./architectures/own_options.ts";

export type { Architecture };

/** How activations are normalised before they are encoded (undone on the reconstruction). */
export type InputNormalization =
  | "none"
  | "layer_norm"
  | "expected_average_only_in"
  | "constant_norm_rescale";

/**
 * What is done to each activation before it is normalised and encoded (undone on the reconstruction):
 * "center" subtracts its mean over d, as TransformerLens does to models with LayerNorm by centring the
 * weights that write to the residual stream. LayerNorm subtracts it anyway: the model does not notice.
 */
export type InputTransform = "none" | "center";

/**
 * A sparse autoencoder (Eq. 1 and 2). d is the activation width, m the dictionary size. Weights are
 * latent-major: row i of `wEnc` and of `wDec` belongs to latent i.
 */
export interface Sae {
  /** How active latents are selected. */
  architecture: Architecture;
  /** Activation width d. */
  dModel: number;
  /** Number of latents m. */
  dictSize: number;
  /** Encoder, [m, d]. */
  wEnc: Float32Array;
  /** Encoder bias, [m]. */
  bEnc: Float32Array;
  /** Decoder directions, [m, d]; rows of norm 1 when trained here. */
  wDec: Float32Array;
  /** Decoder bias, [d]. */
  bDec: Float32Array;
  /** Active latents per sample (topk) or on average over a batch (batchtopk). */
  k?: number;
  /**
   * Inference threshold θ of each latent, [m] (Eq. 8): latent i is active where its pre-activation
   * is above `threshold[i]`. Constant for batchtopk, learned for jumprelu.
   */
  threshold?: Float32Array;
  /** Whether the encoder reads x − bDec (true for the paper's SAEs) or x. */
  subtractDecoderBias: boolean;
  /**
   * What is done to each activation first (default "none"). Squared errors, variance and all measures are
   * those of the transformed activations; the reconstruction is one of the activations as they were given.
   */
  inputTransform?: InputTransform;
  /** Normalisation of the input, undone on the reconstruction; see `normalizeInput`. */
  inputNormalization: InputNormalization;
  /** expected_average_only_in: what it multiplies samples by, √d over the training data's mean norm. */
  inputScale?: number;
  /** Where the SAE comes from: model, hook, context size, tokens seen, versions. Plain JSON. */
  metadata: Record<string, unknown>;
}
