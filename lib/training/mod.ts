/**
 * Options of training, those of each architecture, and warnings.
 * `trainSae` is at the front door.
 *
 * @module
 */
export type { AnyTrainOptions, CommonOptions, TrainingProgress } from "./options.ts";
export { checkTrainOptions } from "./complete_options.ts";
export type { Architectures, OwnOptions } from "../sae/architectures/registry.ts";
export type { LargestOptions } from "../sae/architectures/largest.ts";
export type { PenalizedOptions } from "../sae/architectures/penalized.ts";
export type { JumpReluOptions } from "../sae/architectures/jumprelu.ts";
export type { InputNormalization, InputTransform } from "../sae/sae.ts";
export type { InferenceOptions, Selection } from "../sae/inference.ts";
export { firstBatchToResume } from "./checkpoint.ts";
export type { Preset } from "./presets.ts";
export type { TrainingWarning } from "./training_warnings.ts";
