/**
 * Sparse autoencoders on language-model activations: train them, measure them, save them in
 * SAELens's format, on any GPU that Deno's WebGPU reaches.
 *
 * @example Train on the middle of a model
 * ```ts no-eval
 * import { openDevice, openLanguageModel, readTexts, streamActivations, trainSae } from "@saewing/saewing";
 *
 * using device = await openDevice();
 * await using model = await openLanguageModel("Xenova/gpt2", { hook: "blocks.8.hook_resid_pre" });
 * const batches = streamActivations(model, readTexts("corpus/*.txt"), { batchSize: 4096 });
 * const { sae } = await trainSae(device, batches, { architecture: "batchtopk", dictSize: 12288, k: 32 });
 * ```
 *
 * @module
 */
export * from "./lib/matrix.ts";
export { VERSION } from "./lib/version.ts";
export { createRandom, type Random } from "./lib/random.ts";
export {
  type Device,
  type DeviceLimits,
  type DeviceOptions,
  openDevice,
} from "./lib/device/device.ts";
export { DeviceError, DeviceLostError } from "./lib/device/errors.ts";
export type { Architecture, InputNormalization, Sae } from "./lib/sae/sae.ts";
export type { Architectures, OwnOptions } from "./lib/sae/architectures/registry.ts";
export type { LargestOptions } from "./lib/sae/architectures/largest.ts";
export type { PenalizedOptions } from "./lib/sae/architectures/penalized.ts";
export type { JumpReluOptions } from "./lib/sae/architectures/jumprelu.ts";
export {
  type ActivationTransform,
  activationTransform,
  transformActivations,
} from "./lib/sae/activation_transform.ts";
export { initializeSae } from "./lib/sae/initialize.ts";
export { type NormalizedInput, normalizeInput } from "./lib/sae/normalize_input.ts";
export { encode, reconstruct } from "./lib/sae/encode.ts";
export { foldInputScale } from "./lib/sae/fold_input_scale.ts";
export { foldScales } from "./lib/sae/fold_scales.ts";
export type { StitchedSae } from "./lib/sae/stitched_sae.ts";
export {
  type Encoded,
  type Inference,
  type InferenceOptions,
  openInference,
  type Selection,
} from "./lib/sae/inference.ts";
export type { CommonOptions, StepRecord, TrainOptions } from "./lib/training/options.ts";
export { type Checkpoint, firstBatchToResume } from "./lib/training/checkpoint.ts";
export { type Preset, preset, PRESET_NAMES } from "./lib/training/presets.ts";
export {
  type TrainingWarning,
  trainingWarnings,
  type WarnedSettings,
} from "./lib/training/training_warnings.ts";
export { NonFiniteError } from "./lib/training/non_finite_error.ts";
export { type Batches, trainSae, trainSaes } from "./lib/training/train_sae.ts";
export {
  type DownloadProgress,
  type Dtype,
  type LanguageModel,
  type LanguageModelOptions,
  openLanguageModel,
  type Tokenizer,
} from "./lib/language_model/open_language_model.ts";
export { inspectModel, type ModelDescription } from "./lib/language_model/inspect_model.ts";
export { packTokenRows, type TokenRowOptions } from "./lib/language_model/token_rows.ts";
export type { TextDocument } from "./lib/language_model/text_pieces.ts";
export { readDocuments, readTexts, type ReadTextsOptions } from "./lib/activations/read_texts.ts";
export { shuffleRows, type ShuffleRowsOptions } from "./lib/activations/shuffle_rows.ts";
export { type NormLimit, type NormLimitChoice, recordedNormLimit } from "./lib/sae/norm_limit.ts";
export { measureNormLimit } from "./lib/sae/separate_massive.ts";
export {
  type ActivationStore,
  openActivationStore,
  type OpenStoreOptions,
  type StoreBatchesOptions,
} from "./lib/activations/activation_store.ts";
export {
  type ActivationModel,
  orderedActivations,
  type OrderedActivationsOptions,
} from "./lib/activations/ordered_activations.ts";
export type { StoreDtype, StoreSource } from "./lib/activations/store_header.ts";
export {
  createTextFingerprint,
  type TextFingerprint,
  type TokenRowsChecksum,
} from "./lib/activations/text_fingerprint.ts";
export {
  writeActivations,
  type WriteActivationsOptions,
  type WriteProgress,
} from "./lib/activations/write_activations.ts";
export {
  streamActivations,
  type StreamActivationsOptions,
} from "./lib/activations/stream_activations.ts";
export {
  type EvaluateOptions,
  evaluateSae,
  type Evaluation,
  type EvaluationOfAll,
} from "./lib/evaluation/evaluate_sae.ts";
export {
  type CrossEntropyEvaluation,
  type CrossEntropyOptions,
  evaluateCrossEntropy,
  type SplicedModel,
} from "./lib/evaluation/evaluate_cross_entropy.ts";
export {
  evaluateOnTexts,
  type EvaluateOnTextsOptions,
  type EvaluationProgress,
  type TextEvaluation,
} from "./lib/evaluation/evaluate_on_texts.ts";
export { type GridOption, type SweepCell, type SweepGrid, sweepGrid } from "./lib/sweep/grid.ts";
export {
  type SweepGroup,
  type SweepOptions,
  type SweepProgress,
  sweepSaes,
} from "./lib/sweep/sweep_saes.ts";
export {
  type CellState,
  type SweepMeasures,
  SweepMismatchError,
  type SweepStore,
} from "./lib/sweep/sweep_store.ts";
export type { SweepRow } from "./lib/sweep/sweep_row.ts";
export { sweepFolder } from "./lib/formats/sweep_folder.ts";
export { sweepFiles } from "./lib/report/sweep_files.ts";
export type { SweepReport } from "./lib/report/sweep_report.ts";
export {
  classifyLatents,
  type CosineHistogram,
  cosineHistogram,
  type DecoderBiasAgreement,
  decoderBiasAgreement,
  type DecoderOverlap,
  decoderOverlap,
  maxDecoderCosine,
  type MaxDecoderCosineOptions,
} from "./lib/stitching/decoder_cosine.ts";
export type { CosineKernel } from "./lib/ops/cosine.ts";
export type { CosineProgress, CosineSearchOptions } from "./lib/ops/cosine_search.ts";
export {
  describeGroup,
  type GroupKind,
  groupsByKind,
  type GroupsOfKind,
  type LatentGroup,
  type LatentGroups,
  latentGroups,
} from "./lib/stitching/latent_groups.ts";
export { checkStitchable, stitch, stitchedOrigin } from "./lib/stitching/stitch.ts";
export type { RepeatableBatches, StitchingOptions } from "./lib/stitching/pair.ts";
export {
  latentEffects,
  type StitchingEffects,
  swapEffects,
  type SwapEffectsOptions,
} from "./lib/stitching/effects.ts";
export {
  fitGain,
  type FitGainOptions,
  type GainFit,
  type PairControls,
  randomTwin,
  type SaeControls,
  withGain,
} from "./lib/stitching/controls.ts";
export type { InterpolationOrder, PathPhase } from "./lib/stitching/path.ts";
export {
  type ChainOptions,
  type ChainPoint,
  interpolate,
  interpolateChain,
  type InterpolationOptions,
  type InterpolationPoint,
} from "./lib/stitching/interpolate.ts";
export {
  type NoveltyPrediction,
  type NoveltyRoc,
  noveltyRoc,
  type NoveltyRocOptions,
} from "./lib/stitching/novelty_roc.ts";
export {
  type LatentPair,
  nearestPairs,
  samplePairs,
  type SamplePairsOptions,
} from "./lib/stitching/latent_pairs.ts";
export { type PairStudy, type PairStudyOptions, studyPair } from "./lib/stitching/study_pair.ts";
export {
  type ActivationSimilarity,
  activationSimilarity,
  type ActivationSimilarityOptions,
  type LineFit,
  type PairSimilarity,
  type SimilarityFits,
} from "./lib/stitching/activation_similarity.ts";
export {
  type ErrorContrast,
  type LatentErrors,
  type MissingInformation,
  missingInformation,
  type MissingInformationOptions,
} from "./lib/stitching/missing_information.ts";
export {
  collectTopExamples,
  type LatentExample,
  type LatentExamples,
  type ReadableModel,
  type TopExampleOptions,
} from "./lib/interpretation/top_examples.ts";
export type { ActivationHistogram } from "./lib/interpretation/activation_histogram.ts";
export { trainingPlots } from "./lib/report/training_plots.ts";
export { type TrainingReport, trainingReport } from "./lib/report/training_report.ts";
export {
  type NamedGroups,
  type StitchedSaeRow,
  stitchingPlots,
  type StitchingReport,
  stitchingReport,
} from "./lib/report/stitching_report.ts";
export type { StudiedPair } from "./lib/report/stitching_plots.ts";
export type { Claim } from "./lib/report/claim.ts";
export { stitchingClaims } from "./lib/report/stitching_claims.ts";
export { loadSae, type LoadSaeOptions } from "./lib/formats/load_sae.ts";
export {
  collectionIds,
  listCollections,
  type SaeCollection,
} from "./lib/formats/sae_collections.ts";
export type { HubSaeOptions } from "./lib/formats/hub_sae.ts";
export type { HubOptions, Patience } from "./lib/language_model/hub_request.ts";
export { saveSae } from "./lib/formats/sae_folder.ts";
export { loadStitchedSae, saveStitchedSae } from "./lib/formats/stitched_sae_folder.ts";
export { loadCheckpoint, saveCheckpoint } from "./lib/formats/checkpoint_folder.ts";
export {
  type Explains,
  type MetaSaeOptions,
  type TrainedMetaSae,
  trainMetaSae,
} from "./lib/meta/train_meta_sae.ts";
export type { MetaMeasures } from "./lib/meta/measure_meta_sae.ts";
export { decompose, type Decomposition } from "./lib/meta/decompose.ts";
export {
  latentsOf,
  metaLatentsOf,
  type RelatedLatent,
  relatedLatents,
  type Weighted,
} from "./lib/meta/read_decomposition.ts";
export {
  type ComparedSae,
  compareMetaLatents,
  type MetaComparison,
} from "./lib/meta/compare_meta_latents.ts";
export {
  type ReplacedMetaSae,
  type ReplacementControl,
  type ReplacementControls,
  type ReplacementOptions,
  replaceMetaDecoder,
} from "./lib/meta/replace_meta_decoder.ts";
export { covarianceMatchedRows } from "./lib/meta/covariance_matched_rows.ts";
export { randomUnitRows } from "./lib/meta/random_unit_rows.ts";
export { type ToyData, toyData, type ToyDataOptions } from "./lib/meta/toy_data.ts";
export { type MetaReport, metaReport } from "./lib/report/meta_report.ts";
export { metaPlots } from "./lib/report/meta_plots.ts";
export { metaClaims } from "./lib/report/meta_claims.ts";
export type {
  ComparedMetaLatents,
  MetaControl,
  MetaFindings,
  TrainingQuality,
} from "./lib/report/meta_findings.ts";
export type { Contexts } from "./lib/report/meta_labels.ts";
export {
  type Figure,
  figure,
  type FigureOptions,
  type FigureWords,
  type Mark,
  type Plot,
  type PlotOptions,
  type ScaleOptions,
} from "./lib/report/figure.ts";
export type { FigureSymbol, LegendEntry } from "./lib/report/legend.ts";
export { heatMap, type HeatMapOptions } from "./lib/report/heat_map.ts";
export {
  decompositionGraph,
  type DecompositionGraphOptions,
  type GraphLatent,
  type GraphMetaLatent,
} from "./lib/report/decomposition_graph.ts";
