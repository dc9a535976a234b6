/**
 * Options of training, those of each architecture, and warnings.
 * `trainSae` is in the main entry point.
 *
 * @module
 */
export type { AnyTrainOptions, CommonOptions, TrainingProgress } from "./options.ts";
export { checkTrainOptions } from "./complete_options.ts";
export type { Architectures, OwnOptions } from "../sae/architectures/own_options.ts";
export type { LargestOptions } from "../sae/architectures/own_options.ts";
export type { PenalizedOptions } from "../sae/architectures/own_options.ts";
export type { JumpReluOptions } from "../sae/architectures/own_options.ts";
export type { InputNormalization, InputTransform } from "../sae/sae.ts";
export type { InferenceOptions, Selection } from "../sae/encoded.ts";
export { firstBatchToResume } from "./resume.ts";
export type { Preset } from "./presets.ts";
export type { TrainingWarning } from "./training_warnings.ts";
