/**
 * What latents respond to: the contexts in which they are most active.
 *
 * @module
 */
export {
  collectTopExamples,
  type LatentExample,
  type LatentExamples,
  type ReadableModel,
  type TopExampleOptions,
} from "./top_examples.ts";
export type { ActivationHistogram } from "./activation_histogram.ts";
