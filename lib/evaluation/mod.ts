/**
 * Options of evaluations. `evaluateSae`, `evaluateCrossEntropy` and `evaluateOnTexts` are exported by
 * `@saewing/saewing`.
 *
 * @module
 */
export type { EvaluateOptions } from "./evaluate_sae.ts";
export type { EvaluateOnTextsOptions } from "./evaluate_on_texts.ts";
export {
  type CrossEntropyOptions,
  evaluateCrossEntropies,
  type SplicedModel,
} from "./evaluate_cross_entropy.ts";
