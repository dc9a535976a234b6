/**
 * Meta-SAEs (section 5 of the paper): SAEs trained on the decoder rows of another, what they say of
 * its latents, and controls that show what the numbers are worth.
 *
 * @module
 */
export {
  type Explains,
  type MetaSaeOptions,
  type TrainedMetaSae,
  trainMetaSae,
} from "./train_meta_sae.ts";
export type { MetaMeasures } from "./measure_meta_sae.ts";
export {
  type BesideMeta,
  type MetaStudy,
  type MetaStudyOptions,
  sharedSeedWarnings,
  studyMeta,
} from "./study_meta.ts";
export { completeMetaOptions, type MetaTraining } from "./meta_training.ts";
export {
  type ComparedMetaLatents,
  type MetaControl,
  type MetaFindings,
  type TrainingQuality,
  trainingQuality,
} from "./meta_findings.ts";
export { decompose, type Decomposition } from "./decompose.ts";
export {
  latentsOf,
  metaLatentsOf,
  type RelatedLatent,
  relatedLatents,
  type Weighted,
} from "./read_decomposition.ts";
export {
  type ComparedSae,
  compareMetaLatents,
  type MetaComparison,
} from "./compare_meta_latents.ts";
export {
  type ReplacedMetaSae,
  type ReplacementControl,
  type ReplacementControls,
  type ReplacementOptions,
  replaceMetaDecoder,
} from "./replace_meta_decoder.ts";
export { covarianceMatchedRows } from "./covariance_matched_rows.ts";
export { randomUnitRows } from "./random_unit_rows.ts";
export { type ToyData, toyData, type ToyDataOptions } from "./toy_data.ts";
