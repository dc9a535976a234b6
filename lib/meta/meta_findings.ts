import type { MetaComparison } from "./compare_meta_latents.ts";
import type { Sae } from "../sae/sae.ts";
import { recordedLossChange, recordedSeed } from "../training/recorded_training.ts";
import type { Decomposition } from "./decompose.ts";
import type { MetaMeasures } from "./measure_meta_sae.ts";
import type { ReplacementControls } from "./replace_meta_decoder.ts";

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

/** What an SAE says of its own training, and the NMSE where it was measured. */
export function trainingQuality(sae: Sae, nmse?: number): TrainingQuality {
  return { seed: recordedSeed(sae), lossChange: recordedLossChange(sae), nmse };
}

/**
 * Random rows that were decomposed as the decoder rows were, by a meta-SAE of their own. Their
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
  /** The decomposition of the SAE's latents, and its quality. */
  decomposition: Decomposition;
  /** Active meta-latents per latent that training asked for. */
  k?: number;
  /** Of the decomposed SAE. */
  sae?: TrainingQuality;
  /** Of the meta-SAE. */
  meta?: Pick<TrainingQuality, "lossChange" | "seed">;
  /** The same training on random rows of the same shape, and with one meta-latent per row. */
  controls?: {
    /** Random unit rows. */
    isotropic: MetaControl;
    /** Rows of the mean and covariance of the decoder rows. */
    matched: MetaControl;
    /** The decoder rows themselves, by a meta-SAE with k = 1: what one meta-latent per row explains. */
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
