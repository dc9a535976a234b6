/**
 * Stitching of SAEs (section 4 of the paper): everything of a pair at once (`studyPair`), or one
 * measurement at a time.
 *
 * @example
 * ```ts ignore
 * import { studyPair } from "@saewing/saewing/stitching";
 *
 * const study = await studyPair(device, small, large, batches);
 * ```
 *
 * @module
 */
export type { StitchedSae } from "../sae/stitched_sae.ts";
export { type PairStudy, type PairStudyOptions, studyPair } from "./study_pair.ts";
export {
  type ChainStudy,
  type ChainStudyOptions,
  type NamedSae,
  type StitchedSaeRow,
  type StudiedPair,
  studyChain,
} from "./study_chain.ts";
export type { StitchingOptions } from "./pair.ts";
export { foldScales } from "../sae/fold_scales.ts";
export { checkComparable, checkStitchable } from "./check_stitchable.ts";
export { stitch } from "./stitch.ts";
export {
  classifyLatents,
  type DecoderBiasAgreement,
  decoderBiasAgreement,
  type DecoderOverlap,
  decoderOverlap,
  maxDecoderCosine,
  type MaxDecoderCosineOptions,
} from "./decoder_cosine.ts";
export type { CosineSearchOptions } from "../ops/cosine_options.ts";
export {
  describeGroup,
  type GroupKind,
  groupsByKind,
  type GroupsOfKind,
  type LatentGroup,
  type LatentGroups,
  latentGroups,
} from "./latent_groups.ts";
export {
  latentEffects,
  type StitchingEffects,
  swapEffects,
  type SwapEffectsOptions,
} from "./effects.ts";
export {
  type NoveltyPrediction,
  type NoveltyRoc,
  noveltyRoc,
  type NoveltyRocOptions,
} from "./novelty_roc.ts";
export {
  type ChainOptions,
  type ChainPoint,
  interpolate,
  interpolateChain,
  type InterpolationOptions,
  type InterpolationPoint,
} from "./interpolate.ts";
export type { InterpolationOrder, PathPhase } from "./path.ts";
export {
  type LatentPair,
  nearestPairs,
  samplePairs,
  type SamplePairsOptions,
} from "./latent_pairs.ts";
export {
  type ActivationSimilarity,
  activationSimilarity,
  type ActivationSimilarityOptions,
  type LineFit,
  type PairSimilarity,
  type SimilarityFits,
} from "./activation_similarity.ts";
export {
  type ErrorContrast,
  type LatentErrors,
  type MissingInformation,
  missingInformation,
} from "./missing_information.ts";
export {
  fitGain,
  type FitGainOptions,
  type GainFit,
  type PairControls,
  type SaeControls,
  withGain,
} from "./controls.ts";
export {
  type NearestLatents,
  nearestLatents,
  type NearestLatentsOptions,
} from "./nearest_latents.ts";
