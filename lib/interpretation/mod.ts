/**
 * What latents respond to, and what they stand for: the contexts in which they are most active, probes on
 * them.
 *
 * @module
 */
export { collectTopExamples, type LatentExamples, type TopExampleOptions } from "./top_examples.ts";
export type { LatentExample } from "./latent_example.ts";
export type { EncodeRowsOptions, ReadableModel } from "./encode_rows.ts";
export type { ActivationHistogram } from "./activation_histogram.ts";
export {
  type MeanActivationOptions,
  type MeanActivations,
  meanActivations,
  type TextModel,
} from "./mean_activations.ts";
export { type ProbeSet, type ProbeSetOptions, probeSets } from "./probe_sets.ts";
export {
  type DenseProbe,
  denseProbes,
  type SparseProbe,
  type SparseProbeOptions,
  sparseProbes,
} from "./sparse_probes.ts";
export {
  type PerturbationOptions,
  type ProbePerturbation,
  probePerturbation,
} from "./probe_perturbation.ts";
export {
  fitLogistic,
  type LogisticModel,
  type LogisticOptions,
  logOdds,
} from "./logistic_regression.ts";
export {
  collectDashboards,
  type DashboardInterval,
  type DashboardOptions,
  type Dashboards,
  type LatentDashboard,
  type Neighbour,
} from "./dashboards.ts";
export type { CoactiveLatent } from "./coactivations.ts";
export type { ActivationInterval, LatentContext } from "./latent_contexts.ts";
export {
  type LatentLogits,
  latentLogits,
  type LatentLogitsOptions,
  type TokenLogit,
  type UnembeddingModel,
} from "./latent_logits.ts";
