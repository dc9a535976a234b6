import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { createWalker, type Walker } from "../ops/walk_entries.ts";
import { type Encoded, openInference } from "../sae/inference.ts";
import { normalizeInput } from "../sae/normalize_input.ts";
import { activationTransform, transformActivations } from "../sae/activation_transform.ts";
import type { Sae } from "../sae/sae.ts";
import type { Batches } from "../training/train_sae.ts";
import { checkStitchable } from "./check_stitchable.ts";
import type { ErrorSums } from "./mixed_bias.ts";
import { type OrderedEntries, orderEntries } from "./order_entries.ts";
import { createSpread } from "./spread.ts";

/** Options of everything that stitches latents and measures. */
export interface StitchingOptions {
  /** Called after each batch with the number of samples that have been measured. */
  onProgress?: (samples: number) => void;
  /** Stops the measurement; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Which step changes which latent: a step takes latents of the small SAE out and puts large ones in. */
export interface StepPlan {
  /** Number of steps. */
  steps: number;
  /** [m₀ + m₁] the step of each latent, those of the small SAE first; −1: none. */
  stepOf: Int32Array;
  /** Whether each step starts from the base again, and not from where the step before ended. */
  apart: boolean;
  /** Latents of the large SAE that the base has beside the whole small SAE. */
  inserted?: ArrayLike<number>;
}

/** What the steps of a plan change, summed over samples. Residuals are kept as mixed_bias.ts says. */
export interface StepSums {
  /** Number of samples. */
  samples: number;
  /** Of the base, before any step. */
  base: ErrorSums & { active: number };
  /** [steps] by how much each step changes Σ‖r‖². */
  squares: Float64Array;
  /** [steps] by how much it changes Σ s·r·Δ. */
  projection: Float64Array;
  /** [steps] by how much it changes the number of active latents. */
  active: Float64Array;
  /** Σ s²·‖Δ‖². */
  bias: number;
  /** Σ over samples of ‖x − x̄‖², x̄ being their mean. */
  variance: number;
}

/**
 * Measures all steps of a plan in one pass over the activations. Every sample is led once through its
 * own active latents, about L0 of both SAEs: that takes about as long as decoding them, however many
 * steps there are. Memory is that of a batch.
 *
 * @throws {RangeError} The SAEs cannot be stitched, or there are no activations.
 */
export async function sumSteps(
  device: Device,
  small: Sae,
  large: Sae,
  plan: StepPlan,
  batches: Batches,
  { signal, onProgress }: StitchingOptions = {},
): Promise<StepSums> {
  checkStitchable(small, large);
  const transform = activationTransform(small);
  const { steps, stepOf } = plan;
  const ofBase = new Int32Array(stepOf.length).fill(-1);
  for (let i = 0; i < (plan.inserted?.length ?? 0); i++) {
    ofBase[small.dictSize + plan.inserted![i]] = 0;
  }
  const difference = Float64Array.from(small.bDec, (value, c) => value - large.bDec[c]);
  const decoders = [small.wDec, large.wDec];
  const rowSquares = decoderProducts(decoders, small.dModel);
  const along = decoderProducts(decoders, small.dModel, difference);
  const spread = createSpread(small.dModel);
  const sums: StepSums = {
    samples: 0,
    base: { squares: 0, projection: 0, active: 0 },
    squares: new Float64Array(steps),
    projection: new Float64Array(steps),
    active: new Float64Array(steps),
    bias: 0,
    variance: 0,
  };
  let weight = 0;

  using smallInference = openInference(device, small);
  using largeInference = openInference(device, large);
  using walker = createWalker(device, { dModel: small.dModel, decoders });
  for await (const raw of batches) {
    signal?.throwIfAborted();
    const batch = transformActivations(raw, transform);
    const encoded = await smallInference.run(batch, { residual: true });
    const { codes } = await largeInference.run(batch);
    const scales = sampleScales(small, batch);
    const base = await insertIntoBase(walker, encoded, codes, ofBase, scales);
    addBase(sums.base, base, difference, scales);
    sums.base.active += base.active;

    const entries = orderEntries(encoded.codes, codes, stepOf, steps);
    scaleRows(entries, scales);
    const restart = plan.apart ? firstOfSteps(entries) : undefined;
    const { rows, residual } = base;
    const { dots } = await walker.run({ ...entries, rows, base: residual, restart });
    for (let row = 0; row < rows; row++) {
      for (let at = entries.rowOffsets[row]; at < entries.rowOffsets[row + 1]; at++) {
        const value = entries.values[at];
        const latent = entries.latents[at];
        const step = entries.steps[at];
        sums.squares[step] += value * (value * rowSquares[latent] - 2 * dots[at]);
        sums.projection[step] -= value * scales[row] * along[latent];
        sums.active[step] += latent < small.dictSize ? -1 : 1;
      }
      weight += scales[row] ** 2;
    }
    spread.add(batch);
    sums.samples += rows;
    onProgress?.(sums.samples);
  }
  if (sums.samples === 0) throw new RangeError("there were no activations to measure on");
  sums.bias = weight * difference.reduce((sum, value) => sum + value * value, 0);
  sums.variance = spread.variance();
  return sums;
}

/** Of each decoder row in turn: ‖w‖², or w · `other`, in float64. */
function decoderProducts(decoders: Float32Array[], d: number, other?: Float64Array): Float64Array {
  const products = new Float64Array(decoders.reduce((sum, { length }) => sum + length / d, 0));
  let at = 0;
  for (const decoder of decoders) {
    for (let first = 0; first < decoder.length; first += d) {
      const row = decoder.subarray(first, first + d);
      const factors = other ?? row;
      for (let c = 0; c < d; c++) products[at] += row[c] * factors[c];
      at++;
    }
  }
  return products;
}

/** s of each sample: an activation a of latent i adds s·a·w to the reconstruction. */
function sampleScales(sae: Sae, batch: Matrix): Float32Array {
  if (sae.inputNormalization === "none") return new Float32Array(batch.rows).fill(1);
  return normalizeInput(sae, batch).scale;
}

interface Base {
  rows: number;
  residual: Float32Array;
  active: number;
}

/** The small SAE's residuals, or what the inserted latents leave of them. */
async function insertIntoBase(
  walker: Walker,
  small: Encoded,
  large: SparseMatrix,
  ofBase: Int32Array,
  scales: Float32Array,
): Promise<Base> {
  const { rows } = small.codes;
  const entries = orderEntries(small.codes, large, ofBase, 1);
  const active = small.codes.latents.length + entries.latents.length;
  if (entries.latents.length === 0) return { rows, residual: small.residual!, active };
  scaleRows(entries, scales);
  const walk = { ...entries, rows, base: small.residual! };
  const { residual } = await walker.run(walk, { residual: true });
  return { rows, residual: residual!, active };
}

function scaleRows({ rowOffsets, values }: OrderedEntries, scales: Float32Array): void {
  for (let row = 0; row < scales.length; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) values[at] *= scales[row];
  }
}

/** 1 where an entry is the first of its row and step. */
function firstOfSteps({ rowOffsets, steps }: OrderedEntries): Uint8Array {
  const first = new Uint8Array(steps.length);
  for (let row = 0; row + 1 < rowOffsets.length; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
      first[at] = at === rowOffsets[row] || steps[at] !== steps[at - 1] ? 1 : 0;
    }
  }
  return first;
}

function addBase(
  sums: ErrorSums,
  { rows, residual }: Base,
  difference: Float64Array,
  scales: Float32Array,
): void {
  const d = difference.length;
  for (let row = 0; row < rows; row++) {
    let projection = 0;
    for (let c = 0; c < d; c++) {
      const value = residual[row * d + c];
      sums.squares += value * value;
      projection += value * difference[c];
    }
    sums.projection += scales[row] * projection;
  }
}
