import type { Batches } from "../batches.ts";
import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import type { Progress } from "../progress.ts";
import type { Encoded, InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import { transformInput } from "../sae/input_transform.ts";
import { chooseNormLimit, type NormLimitChoice, withoutRows } from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { separateMassive } from "../sae/separate_massive.ts";
import type { StitchedSae } from "../sae/stitched_sae.ts";
import { addSamples, createSampleSums, type SampleSums, sampleVariance } from "./sample_sums.ts";

/** Reconstruction and sparsity of an SAE; massive activations are excluded. */
export interface Evaluation {
  /** Number of samples. */
  samples: number;
  /** Mean over samples of Σ_d (x − x̂)², as in Table 2. */
  mse: number;
  /** Σ‖x − x̂‖² / Σ‖x − x̄‖², where x̄ is the mean of the samples. */
  nmse: number;
  /** 1 − NMSE. */
  explainedVariance: number;
  /** Mean number of active latents per sample. */
  l0: number;
  /** Mean over samples of ‖x̂‖ / ‖x‖: below 1 where the SAE shrinks; SAELens's and SAEBench's `l2_ratio`. */
  l2Ratio: number;
  /** Σ‖x̂‖² / Σ x·x̂ over the samples, 1 without shrinkage; their `relative_reconstruction_bias`. */
  relativeReconstructionBias: number;
  /** Mean over samples of the cosine of x and x̂; their `cossim`. */
  cossim: number;
  /** l0Histogram[a] is the number of samples with exactly a active latents (Fig. 9), [largest a + 1]. */
  l0Histogram: Uint32Array;
  /** Share of samples in which each latent is active, [m]. */
  density: Float64Array;
  /** Number of latents that are active in no sample. */
  deadLatents: number;
  /** Number of activations excluded as massive; absent if 0. */
  leftOut?: number;
  /** Measures of all activations, massive ones included; absent if none was excluded. */
  all?: Pick<Evaluation, "samples" | "mse" | "nmse" | "explainedVariance" | "l0">;
}

/** Options of {@linkcode evaluateSae}. */
export interface EvaluateOptions extends InferenceOptions {
  /**
   * Which activations are excluded as massive. Default: those that were excluded from the SAE's training
   * (`metadata.normLimit`), or where that is unknown, those above 10 times the median norm of the first
   * 4,096. Selection "batch" selects over the rest of each batch.
   */
  normLimit?: NormLimitChoice;
  /** Called after each batch with the number of samples measured. */
  onProgress?: (progress: Progress) => void;
  /** Stops the evaluation; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Measures an SAE on activations: reconstruction error, sparsity, density of its latents. Massive
 * activations are excluded, because a few of them can have nine tenths of the variance; `all` has the
 * measures with them.
 *
 * @param batches Activations, [rows, d] each. Where the SAE has an `inputTransform`, all measures are
 * those of the transformed activations.
 * @throws {RangeError} There are no activations, their width is not the SAE's, or one is not finite.
 */
export async function evaluateSae(
  device: Device,
  sae: Sae | StitchedSae,
  batches: Batches,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const limit = chooseNormLimit(options.normLimit, sae);
  using inference = openInference(device, sae, options);
  const ordinary = createSums(sae.dModel);
  const lengths = { ratios: 0, cosines: 0, squares: 0, products: 0 };
  const active = new Float64Array(sae.dictSize);
  const histogram: number[] = [];
  let leftOut = 0;
  // Copied from `ordinary` at the first massive activation.
  let all: Sums | undefined;
  for await (const { all: raw, massive } of separateMassive(batches, limit)) {
    options.signal?.throwIfAborted();
    if (massive.length > 0) all ??= structuredClone(ordinary);
    const batch = withoutRows(raw, massive);
    const encoded = await inference.run(batch, { residual: true });
    const { codes } = encoded;
    for (const latent of codes.latents) active[latent]++;
    for (let row = 0; row < codes.rows; row++) {
      const count = codes.rowOffsets[row + 1] - codes.rowOffsets[row];
      histogram[count] = (histogram[count] ?? 0) + 1;
    }
    const x = transformInput(sae, batch);
    addTo(ordinary, x, encoded);
    addLengths(lengths, x, encoded.residual!);
    leftOut += massive.length;
    if (all) {
      const whole = massive.length === 0 ? encoded : await inference.run(raw);
      addTo(all, transformInput(sae, raw), whole);
    }
    options.onProgress?.({ phase: "reconstruction", done: ordinary.samples });
  }
  const { samples } = ordinary;
  if (samples === 0) {
    throw new RangeError(
      leftOut > 0
        ? `all ${leftOut} activations are above the limit on norms, expected some below it`
        : "there are no activations to evaluate on",
    );
  }
  return {
    ...measuresOf(ordinary),
    l2Ratio: lengths.ratios / samples,
    relativeReconstructionBias: lengths.squares / lengths.products,
    cossim: lengths.cosines / samples,
    l0Histogram: Uint32Array.from({ length: histogram.length }, (_, a) => histogram[a] ?? 0),
    density: active.map((count) => count / samples),
    deadLatents: active.reduce((dead, count) => dead + (count === 0 ? 1 : 0), 0),
    ...(all ? { leftOut, all: measuresOf(all) } : {}),
  };
}

/** Sums from which the measures are computed. */
interface Sums extends SampleSums {
  squaredErrors: number;
  entries: number;
}

function createSums(dModel: number): Sums {
  return { ...createSampleSums(dModel), squaredErrors: 0, entries: 0 };
}

function addTo(sums: Sums, batch: Matrix, { codes, squaredErrors }: Encoded): void {
  for (const error of squaredErrors) sums.squaredErrors += error;
  sums.entries += codes.latents.length;
  addSamples(sums, batch);
}

/** Sums over samples x and reconstructions x̂ of ‖x̂‖/‖x‖, cosines, ‖x̂‖² and x·x̂. */
type Lengths = { ratios: number; cosines: number; squares: number; products: number };

// Below this norm SAELens divides by 1.
const LEAST_NORM = 1e-4;

function addLengths(sums: Lengths, { data, cols }: Matrix, residual: Float32Array): void {
  for (let at = 0; at < data.length; at += cols) {
    let [own, squares, product] = [0, 0, 0];
    for (let c = at; c < at + cols; c++) {
      const reconstructed = data[c] - residual[c];
      own += data[c] * data[c];
      squares += reconstructed * reconstructed;
      product += data[c] * reconstructed;
    }
    const [norm, length] = [Math.sqrt(own), Math.sqrt(squares)];
    sums.ratios += length / (norm < LEAST_NORM ? 1 : norm);
    // Zeros have no direction.
    if (norm > 0 && length > 0) sums.cosines += product / (norm * length);
    sums.squares += squares;
    sums.products += product;
  }
}

function measuresOf(sums: Sums): NonNullable<Evaluation["all"]> {
  const { samples, squaredErrors, entries } = sums;
  const variance = sampleVariance(sums);
  const nmse = squaredErrors / variance;
  return {
    samples,
    mse: squaredErrors / samples,
    nmse,
    explainedVariance: 1 - nmse,
    l0: entries / samples,
  };
}
