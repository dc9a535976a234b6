import type { Program } from "../device/program.ts";
import { updateLatents, updateVector } from "../ops/adam.ts";
import { createGpuDenseBuffers, stepDenselyOnGpu } from "../ops/dense_on_gpu.ts";
import { createCpuDenseBuffers, stepDensely } from "../ops/dense_step.ts";
import { clipGradients } from "../ops/clip_gradients.ts";
import { squareRows, subtractDecoded } from "../ops/decode.ts";
import { centerBatch } from "../ops/encode.ts";
import {
  differentiateDecoderBias,
  differentiateEntries,
  sortByLatent,
  type SparseColumns,
  sumLatents,
} from "../ops/gradients.ts";
import { normalizeBatch, type RowNormalization } from "../ops/normalize_input.ts";
import { divideByDeviation } from "../ops/normalize_loss.ts";
import { differentiateThresholds } from "../ops/ragged.ts";
import { recordLosses } from "../ops/record.ts";
import { selectActive } from "../ops/select_active.ts";
import { listDeadLatents, selectDead } from "../ops/select_rows.ts";
import type { DividedErrors } from "../sae/architectures/descriptor.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Settings } from "./options.ts";
import { thresholdRateFactor } from "./schedule.ts";
import {
  createStepMemory,
  fullSparsity,
  lossScales,
  mayGoDense,
  type StepMemory,
} from "./step_buffers.ts";
import type { TrainingState } from "./training_state.ts";

// A training step as a list of operations, the same on every device: it reads like the algorithm.

/** What all parts of a step share. */
export interface StepParts extends StepMemory {
  state: TrainingState;
  settings: Settings;
  rows: number;
  /** Whether dead latents reconstruct the residual. */
  auxiliary: boolean;
  /** What the encoder reads: x − b_dec, or x. */
  input: StepMemory["x"];
  scales: ReturnType<typeof lossScales>;
}

/** Appends a step up to the selection: what the batch is, which latents are active. */
export function beginStep(
  p: Program,
  state: TrainingState,
  settings: Settings,
  normalization: RowNormalization,
  rows: number,
): { parts: StepParts; encoding?: ReturnType<typeof select> } {
  const memory = createStepMemory(p.device, p.buffers, state, settings, rows);
  const parts: StepParts = {
    ...memory,
    ...{ state, settings, rows },
    auxiliary: settings.auxCoefficient > 0,
    input: settings.subtractDecoderBias ? memory.centered : memory.x,
    scales: lossScales(settings, rows, state.weights.dModel),
  };
  const dense = mayGoDense(settings) ? createCpuDenseBuffers(p, state.weights) : undefined;
  if (dense) parts.columns = { ...parts.columns, dense };
  prepare(p, parts, normalization);
  if (dense) stepDensely(p, dense, { ...parts, target: parts.centered, ...state });
  return { parts, encoding: sparsely(p, parts, () => select(p, parts)) };
}

/** Appends the rest of it: reconstruction, losses, gradients, update. */
export function endStep(p: Program, parts: StepParts, encoding?: ReturnType<typeof select>): void {
  reconstruct(p, parts, encoding);
  const errors = record(p, parts);
  update(p, parts, errors, differentiate(p, parts, errors));
}

/** Appends a GPU's step by dense products. */
export function appendDensely(p: Program, given: StepParts, normalization: RowNormalization): void {
  const { rows, state } = given;
  const gpuDense = createGpuDenseBuffers(p.buffers, rows, state.weights);
  const parts = { ...given, columns: { ...given.columns, gpuDense } };
  prepare(p, parts, normalization);
  stepDenselyOnGpu(p, gpuDense, { ...parts, target: parts.centered, ...state });
  endStep(p, parts);
}

/** Appends what visits entries: left out of steps that go the dense way, where there is one. */
function sparsely<T>(p: Program, { columns: { dense, gpuDense } }: StepParts, append: () => T) {
  if (gpuDense) return undefined;
  return dense ? p.when(dense.flag, 0, append) : append();
}

/** From here on x is what the SAE reads, and `centered` is x − b_dec. */
function prepare(p: Program, parts: StepParts, normalization: RowNormalization): void {
  const { rows, x, scale, centered, state: { weights: { dModel, bDec }, stats } } = parts;
  normalizeBatch(p, { normalization, rows, dModel, x, scale, stats });
  centerBatch(p, { rows, dModel, x, bDec, centered, stats });
}

/**
 * z = ReLU((x − b_dec) · W_encᵀ + b_enc), of which its n·k largest stay (Eq. 7), the k largest of
 * each row (Eq. 9), or all that are above 0 or their threshold.
 */
function select(p: Program, { rows, input, sparse, penalties, jump, state, settings }: StepParts) {
  const rule = architectureOf(settings.architecture).rule(settings, { rows, penalties, jump });
  return selectActive(p, { rows, input, rule, out: sparse, ...state });
}

/** e = x − x̂; dead latents reconstruct it, as a constant, and leave e − ê. */
function reconstruct(p: Program, parts: StepParts, encoding?: ReturnType<typeof select>): void {
  const { rows, sparse, centered, residual, dead, state, settings, auxiliary } = parts;
  const { weights } = state;
  const target = centered;
  sparsely(p, parts, () => subtractDecoded(p, { rows, sparse, weights, target, out: residual }));
  const { dictSize: latents } = weights;
  listDeadLatents(p, { latents, deadAfter: settings.deadAfter, dead, ...state });
  if (!auxiliary || !encoding) return;
  const wanted = Math.min(settings.auxK, latents);
  selectDead(p, { encoding, rows, wanted, out: sparse, dead });
  subtractDecoded(p, { rows, firstRow: rows, sparse, weights, out: residual });
}

/** The residual that each entry's gradients are made of. */
type Errors = Pick<DividedErrors, "sparse" | "residual" | "half"> & Partial<DividedErrors>;

/** The losses, and what else of the step people want to know. */
function record(p: Program, parts: StepParts): Errors {
  const { rows, x, sparse, residual, squares, penalties, jump, state, settings, auxiliary } = parts;
  const { dModel, dictSize: latents } = state.weights;
  squareRows(p, { rows: auxiliary ? 2 * rows : rows, cols: dModel, x: residual, squares });
  if (settings.lossNormalization === "input_deviation") {
    divideByDeviation(p, { rows, dModel, x, residual, squares });
  }
  const kind = architectureOf(settings.architecture);
  const { weights } = state;
  const whole = { rows, auxiliary, sparse, weights, residual, squares };
  const divided = kind.divideErrors?.(p, settings, whole);
  const sparsity = kind.sparsity
    ? { coefficient: fullSparsity(settings), penalties, latents, theta: jump?.theta }
    : undefined;
  const { auxCoefficient } = settings;
  const { offsets } = sparse;
  const numbers = rows * dModel;
  const { dense, gpuDense } = parts.columns;
  const losses = { auxCoefficient, squares, offsets, sparsity };
  const way = { dense: dense?.flag, wentDense: gpuDense !== undefined };
  recordLosses(p, { rows, numbers, ...losses, ...way, ...state });
  return divided ?? { sparse, residual, half: rows };
}

/** Gradients with respect to each entry, ordered by latent, and to the biases. */
function differentiate(p: Program, parts: StepParts, errors: Errors): SparseColumns {
  const { rows, input, residual, jump, deltas, gradients } = parts;
  const { sparse, half, findSamples } = errors;
  const scales = { ...parts.scales, half };
  const { state: { weights, step, ...state }, settings } = parts;
  const { dictSize } = weights;
  const penalized = scales.sparsity === undefined ? undefined : step;
  const entries = { sparse, weights, residual: errors.residual, deltas, scales };
  const { main, penalty } = scales;
  const columns = { ...parts.columns };
  sparsely(p, parts, () => {
    differentiateEntries(p, { ...entries, step: penalized });
    sortByLatent(p, { sparse, deltas, columns, dictSize, scales });
    columns.samples = findSamples?.(p, columns);
    if (jump && gradients.logTheta) {
      // So far the decoder bias has the part of the output alone.
      const { bDec: outputGradient, logTheta: gradient } = gradients;
      const shared = { rows, weights, outputGradient, main, penalty };
      differentiateDecoderBias(p, { ...shared, residual, scale: main, gradient: outputGradient });
      differentiateThresholds(p, { ...shared, jump, columns, step, gradient });
    }
    sumLatents(p, { columns, dictSize, gradient: gradients.bEnc });
  });
  const bEncGradient = settings.subtractDecoderBias ? gradients.bEnc : undefined;
  const gradient = gradients.bDec;
  differentiateDecoderBias(p, { rows, residual, scale: main, weights, bEncGradient, gradient });
  if (settings.gradientClip === 0) return columns;
  const sources = { half: rows, columns, residual: errors.residual, input };
  clipGradients(p, {
    limit: settings.gradientClip,
    ...sources,
    gradients,
    weights,
    step,
    ...state,
  });
  return columns;
}

/** Adam, latent by latent, gradients gathered on the way; decoder rows end with norm 1. */
function update(p: Program, parts: StepParts, { residual }: Errors, columns: SparseColumns): void {
  const { rows: half, input, gradients, state, settings } = parts;
  const { weights: { dModel, dictSize, shards, bEnc, bDec }, logTheta } = state;
  const frozen = settings.freezeDecoder;
  for (const [index, { first, latents, wEnc, wDec }] of shards.entries()) {
    const { encoder, decoder } = state.shardMoments[index];
    const shared = { dModel, first, latents, half, columns, ...state };
    const gradient = columns.gpuDense?.gradients[index];
    if (!frozen) {
      const own = { w: wDec, moments: decoder, source: residual, gradient: gradient?.decoder };
      updateLatents(p, { ...shared, decoder: true, ...own });
    }
    const own = { w: wEnc, moments: encoder, source: input, gradient: gradient?.encoder };
    updateLatents(p, { ...shared, decoder: false, ...own });
  }
  const vector = (
    value: typeof bEnc,
    gradient: typeof bEnc,
    moments: TrainingState["bEncMoments"],
    length: number,
    rateFactor = 1,
  ) => updateVector(p, { length, value, gradient, moments, rateFactor, ...state });
  vector(bEnc, gradients.bEnc, state.bEncMoments, dictSize);
  if (frozen !== true) vector(bDec, gradients.bDec, state.bDecMoments, dModel);
  if (logTheta && gradients.logTheta) {
    const factor = thresholdRateFactor(settings);
    vector(logTheta.value, gradients.logTheta, logTheta.moments, dictSize, factor);
  }
}
