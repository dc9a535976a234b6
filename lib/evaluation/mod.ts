/**
 * Options of measures. `evaluateSae`, `evaluateCrossEntropy` and `evaluateOnTexts` are at the front
 * door.
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
