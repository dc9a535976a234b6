/**
 * Sparse autoencoders on language-model activations: train them, measure them, save them in
 * SAELens's format, on any GPU that Deno's WebGPU reaches, and on the CPU.
 *
 * This is the main entry point, with what most scripts need. Further entry points by subject:
 *
 * | entry point        | content                                                             |
 * | ------------------ | ------------------------------------------------------------------- |
 * | `./stitching`      | comparing a pair of SAEs: novel latents, effects, swaps, paths      |
 * | `./meta`           | meta-SAEs, decompositions of latents, their controls                |
 * | `./claims`         | verdicts on the paper's claims                                      |
 * | `./interpretation` | dashboards, explanations, probes and steering of latents            |
 * | `./report`         | figures and report pages                                            |
 * | `./explorer`       | sites to explore latents, Neuronpedia's files                       |
 * | `./models`         | a model's hooks, rows of tokens, the Hugging Face hub               |
 * | `./activations`    | options of streams and stores of activations                        |
 * | `./training`       | options of training by architecture, warnings                       |
 * | `./evaluation`     | options of evaluation                                               |
 * | `./sweep`          | grids of SAEs and their folders                                     |
 * | `./formats`        | options of loading, published families, stitched SAEs on disk       |
 *
 * @example Train on the residual stream of a model
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

// Devices, matrices, random numbers.
export { openDevice } from "./lib/device/open_device.ts";
export type { Device, DeviceOptions } from "./lib/device/device.ts";
export { DeviceError, DeviceLostError } from "./lib/device/errors.ts";
export type { Matrix, SparseMatrix } from "./lib/matrix.ts";
export type { Batches } from "./lib/batches.ts";
export type { Progress } from "./lib/progress.ts";
export { createRandom, type Random } from "./lib/random.ts";

// Models, texts, activations.
export {
  type LanguageModel,
  openLanguageModel,
  type SpliceLosses,
} from "./lib/language_model/open_language_model.ts";
export { readDocuments, readTexts } from "./lib/activations/read_texts.ts";
export type { Texts } from "./lib/language_model/text_pieces.ts";
export { streamActivations } from "./lib/activations/stream_activations.ts";
export { orderedActivations } from "./lib/activations/ordered_activations.ts";
export { shuffleRows } from "./lib/activations/shuffle_rows.ts";
export { type ActivationStore, openActivationStore } from "./lib/activations/activation_store.ts";
export { writeActivations } from "./lib/activations/write_activations.ts";
export { measureNormLimit } from "./lib/sae/separate_massive.ts";
export type { NormLimit } from "./lib/sae/norm_limit.ts";

// SAEs and their training.
export type { Architecture, Sae } from "./lib/sae/sae.ts";
export { initializeSae } from "./lib/sae/initialize.ts";
export { encode, reconstruct } from "./lib/sae/encode.ts";
export type { Encoded, Inference } from "./lib/sae/encoded.ts";
export { openInference } from "./lib/sae/inference.ts";
export { trainSae, trainSaes } from "./lib/training/train_sae.ts";
export type { StepRecord } from "./lib/training/step_record.ts";
export type { TrainOptions } from "./lib/training/options.ts";
export { NonFiniteError } from "./lib/training/non_finite_error.ts";
export { preset, PRESET_NAMES } from "./lib/training/presets.ts";
export type { Checkpoint } from "./lib/training/checkpoint.ts";

// Measures, and grids of SAEs.
export { evaluateSae, type Evaluation } from "./lib/evaluation/evaluate_sae.ts";
export {
  type CrossEntropyEvaluation,
  evaluateCrossEntropy,
} from "./lib/evaluation/evaluate_cross_entropy.ts";
export {
  evaluateOnTexts,
  evaluateSaesOnTexts,
  type TextEvaluation,
} from "./lib/evaluation/evaluate_on_texts.ts";
export { sweepGrid } from "./lib/sweep/grid.ts";
export { sweepSaes } from "./lib/sweep/sweep_saes.ts";
export type { SweepRow } from "./lib/sweep/sweep_row.ts";
export { sweepFolder } from "./lib/formats/sweep_folder.ts";

// SAEs and checkpoints on disk.
export { loadSae } from "./lib/formats/load_sae.ts";
export { saveSae } from "./lib/formats/sae_folder.ts";
export { loadCheckpoint, saveCheckpoint } from "./lib/formats/checkpoint_folder.ts";
