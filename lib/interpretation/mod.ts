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
export type { CollectorState } from "./collector_state.ts";
export {
  collectDashboardPart,
  collectDashboards,
  type DashboardInterval,
  type DashboardOptions,
  type DashboardPartOptions,
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
export {
  type AnswerCache,
  type Chat,
  ChatError,
  type ChatMessage,
  type ChatOptions,
  endpointKey,
  isSentInClear,
  openChat,
} from "./chat.ts";
export {
  type ExplainedLatent,
  explainLatent,
  explainMetaQuestion,
  type ExplainOptions,
  explainQuestion,
  type Explanation,
} from "./explain_latents.ts";
export {
  explainLatents,
  type ExplainLatentsOptions,
  labelLatents,
  type ScoredExplanation,
  type ScoredLabel,
} from "./study_explanations.ts";
export {
  explainMetaLatents,
  labelMetaLatents,
  type MetaExplanation,
} from "./explain_meta_latents.ts";
export {
  type ExplanationStudy,
  type ExplanationSubject,
  type ModelQuestions,
  studyByModel,
  studyByTokens,
} from "./explanation_study.ts";
export { type ChoiceTest, studyChoices } from "./study_choices.ts";
export { type QuestionPlan, type Rehearsal, rehearse } from "./rehearse.ts";
export {
  countScore,
  detectionCases,
  detectionQuestions,
  type ExplanationScore,
  fuzzingCases,
  fuzzingQuestions,
  scoreExplanation,
  type ScoreOptions,
  type ScoreQuestion,
  tellByTokens,
  type TestCase,
} from "./score_explanation.ts";
export {
  countTokenRows,
  countTokens,
  type TokenCounts,
  type TokenLabel,
  tokenLabel,
} from "./token_label.ts";
export {
  askToChoose,
  type ChoiceOptions,
  type ChoiceQuestion,
  choiceQuestions,
  type ChoiceScore,
  chooseByWords,
  type Chooser,
  scoreChoices,
} from "./multiple_choice.ts";
export { activeLatents, type ActiveLatentsOptions, type TokenLatents } from "./active_latents.ts";
export { contextsByLatent } from "./contexts_by_latent.ts";
export {
  type ProbedSae,
  type ProbeStudy,
  type ProbeStudyOptions,
  studyProbes,
} from "./study_probes.ts";
export { type Edit, type Editor, type EditorOptions, openEditor } from "./edit_latents.ts";
export {
  generate,
  type GenerateOptions,
  type SteerableModel,
  type SteeringEffect,
  steeringEffect,
  type TokenShift,
} from "./steer.ts";
export { type NamedGroups, nameGroups, type NameGroupsOptions } from "./name_groups.ts";
export {
  type ChoiceRow,
  type ExplanationMeans,
  type ExplanationSummary,
  explanationSummary,
} from "./explanation_summary.ts";
