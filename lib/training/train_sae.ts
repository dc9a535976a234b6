import type { Gpu } from "../gpu/gpu.ts";
import { GpuError } from "../gpu/gpu.ts";
import { formatBytes } from "../gpu/describe.ts";
import type { Matrix } from "../matrix.ts";
import { downloadWeights } from "../ops/weights.ts";
import { createRandom } from "../random.ts";
import { checkSae } from "../sae/check.ts";
import { initializeSae } from "../sae/initialize.ts";
import type { Sae } from "../sae/sae.ts";
import { VERSION } from "../version.ts";
import { completeOptions, type Settings, type StepRecord, type TrainOptions } from "./options.ts";
import { createTrainingState, readRecords, type TrainingState } from "./training_state.ts";
import { createTrainingStep, type TrainingStep } from "./training_step.ts";

/** Batches of activations, [rows, d] each: the rows are the batch size n. */
export type Batches = AsyncIterable<Matrix> | Iterable<Matrix>;

/** A step's loss or batch was not finite; the weights of the step before it are kept in `sae`. */
export class NonFiniteError extends Error {
  /** The name shown in front of the message. */
  override name: string = "NonFiniteError";
  /** The step, from 1. */
  readonly step: number;
  /** Makes the error of a step. */
  constructor(step: number, message: string) {
    super(message);
    this.step = step;
  }
}

/**
 * Trains an SAE on a stream of activations.
 *
 * The loss of a batch x of [n, d] is mean((x − x̂)²) + α · mean((ê − e)²) over n·d numbers, with
 * x̂ = f · W_dec + b_dec, f the n·k largest numbers of ReLU((x − b_dec) · W_encᵀ + b_enc) (Eq. 7), and ê
 * the decoding of the `auxK` largest dead latents of each sample (A.2), e being a constant there. Adam
 * updates everything; decoder rows keep norm 1 and lose their gradient's parallel part. The SAE
 * carries the inference threshold of Eq. 8.
 *
 * The same seed and batches on the same adapter give the same bits.
 *
 * @param gpu The open GPU.
 * @param batches The batches, each a step. A last batch of another size is fine.
 * @param options What to train; `architecture` and, without `initial`, `dictSize` and `k` are needed.
 * @returns The SAE and one record a step.
 * @throws {RangeError | TypeError} An option or a batch does not fit: before any work on it starts.
 * @throws {NonFiniteError} A batch, a loss or a trained weight was not finite.
 * @throws The signal's reason, where it was aborted before the first step.
 * @throws {GpuError} The GPU has not enough memory, or failed.
 */
export async function trainSae(
  gpu: Gpu,
  batches: Batches,
  options: TrainOptions,
): Promise<{ sae: Sae; history: StepRecord[] }> {
  const settings = completeOptions(options);
  const history: StepRecord[] = [];
  const steps = new Map<number, TrainingStep>();
  let state: TrainingState | undefined;
  let sae: Sae | undefined;
  let samples = 0;
  let taken = 0;
  let unread: { step: number; rows: number; samples: number }[] = [];
  let unreadBytes = 0;

  const read = async () => {
    if (!state || unread.length === 0) return;
    const records = await readRecords(gpu, state, unread);
    unread = [];
    unreadBytes = 0;
    const failed = records.find((record) => record.frozen);
    for (const { badInput: _, frozen, ...record } of records) if (!frozen) history.push(record);
    if (failed) throw describeFailure(failed, sae!.dModel);
    settings.onProgress?.(history.slice(history.length - records.length));
  };

  try {
    for await (const batch of batches) {
      if (settings.signal?.aborted || taken === settings.steps) break;
      checkBatch(batch, taken + 1, sae?.dModel ?? settings.initial?.dModel);
      if (!sae || !state) {
        sae = startingSae(settings, batch);
        checkMemory(gpu, settings, batch);
        state = createTrainingState(gpu, sae, settings.recordEvery);
      }
      let step = steps.get(batch.rows);
      if (!step) {
        step = await createTrainingStep(gpu, state, settings, batch.rows);
        steps.set(batch.rows, step);
      }
      taken++;
      samples += batch.rows;
      step.run(batch.data, taken);
      unread.push({ step: taken, rows: batch.rows, samples });
      unreadBytes += batch.data.byteLength;
      // The queue keeps a copy of every batch that was not yet used: 128 MiB of them at most.
      if (unread.length === settings.recordEvery || unreadBytes > 2 ** 27) await read();
      if (taken === settings.steps) break;
    }
    await read();
    if (!sae || !state) {
      settings.signal?.throwIfAborted();
      throw new RangeError("there was no batch to train on");
    }
    const trained = { ...sae, ...await downloadWeights(gpu, state.weights) };
    checkWeights(trained, taken);
    trained.threshold = inferenceThreshold(history, settings);
    trained.metadata = { ...sae.metadata, ...describeTraining(settings, taken, samples) };
    return { sae: trained, history };
  } finally {
    for (const step of steps.values()) step[Symbol.dispose]();
    state?.buffers[Symbol.dispose]();
  }
}

function checkBatch(batch: Matrix, step: number, dModel: number | undefined): void {
  const { data, rows, cols } = batch;
  const found = `batch ${step} is ${rows} × ${cols}`;
  if (!(data instanceof Float32Array)) throw new TypeError(`${found}, its data no Float32Array`);
  if (!(rows > 0 && cols > 0) || data.length !== rows * cols) {
    throw new RangeError(`${found} with ${data.length} numbers`);
  }
  if (dModel !== undefined && cols !== dModel) {
    throw new RangeError(`${found}, expected ${dModel} columns (the SAE's dModel)`);
  }
}

function startingSae(settings: Settings, batch: Matrix): Sae {
  const { architecture, dictSize, k, subtractDecoderBias, initial, metadata } = settings;
  if (initial) {
    const { threshold: _, ...rest } = initial;
    return {
      ...rest,
      architecture,
      k,
      subtractDecoderBias,
      metadata: { ...initial.metadata, ...metadata },
    };
  }
  const random = createRandom(settings.seed);
  const shape = { architecture, dModel: batch.cols, dictSize, k, subtractDecoderBias };
  const sae = { ...initializeSae({ ...shape, random }), metadata };
  checkSae(sae);
  if (settings.bDec === "mean") sae.bDec = meanOfRows(batch);
  return sae;
}

function meanOfRows({ data, rows, cols }: Matrix): Float32Array {
  const sums = new Float64Array(cols);
  for (let i = 0; i < data.length; i++) sums[i % cols] += data[i];
  return Float32Array.from(sums, (sum) => sum / rows);
}

// The buffers of training_state.ts and training_step.ts that grow with the sizes, in bytes.
function checkMemory(gpu: Gpu, settings: Settings, { rows: n, cols: d }: Matrix): void {
  const { dictSize: m, k, auxCoefficient, auxK } = settings;
  const auxiliary = auxCoefficient > 0;
  const entries = n * (k + (auxiliary ? Math.min(auxK, m) : 0));
  const needed = 4 * (6 * m * d + n * m + (auxiliary ? 4 : 3) * n * d + 6 * entries);
  if (gpu.allocated + needed > gpu.memoryLimit) {
    throw new GpuError(
      `training ${m} latents on batches of ${n} × ${d} needs ${
        formatBytes(needed)
      } of GPU memory, ` +
        `${formatBytes(gpu.memoryLimit - gpu.allocated)} are free: ` +
        `take fewer latents, smaller batches or a smaller auxK`,
    );
  }
}

function describeFailure(
  { step, badInput }: { step: number; badInput: number },
  dModel: number,
): NonFiniteError {
  const what = badInput >= 0
    ? `batch ${step} has a number that is not finite, in row ${
      Math.floor(badInput / dModel)
    }, column ${badInput % dModel}`
    : `the loss is not finite at step ${step}: a smaller learning rate may help`;
  return new NonFiniteError(step, what);
}

// A step's loss says nothing of its own update, nor of a latent that NaN has silenced.
function checkWeights({ wEnc, bEnc, wDec, bDec }: Sae, step: number): void {
  if ([wEnc, bEnc, wDec, bDec].every((weights) => weights.every(Number.isFinite))) return;
  throw new NonFiniteError(
    step,
    `the weights are not finite after step ${step}: a smaller learning rate may help`,
  );
}

/** θ of Eq. 8: the mean, over the last batches, of the smallest activation kept. */
function inferenceThreshold(history: StepRecord[], settings: Settings): Float32Array {
  const smallest = history.slice(-settings.thresholdBatches)
    .map((record) => record.smallestKept)
    .filter((value) => value > 0);
  const mean = smallest.reduce((sum, value) => sum + value, 0) / (smallest.length || 1);
  return new Float32Array(settings.dictSize).fill(mean);
}

function describeTraining(
  settings: Settings,
  steps: number,
  samples: number,
): Record<string, unknown> {
  const { learningRate, beta1, beta2, epsilon, auxCoefficient, auxK, deadAfter } = settings;
  const options = { learningRate, beta1, beta2, epsilon, auxCoefficient, auxK, deadAfter };
  const { thresholdBatches, seed } = settings;
  return { saewing: VERSION, steps, samples, training: { ...options, thresholdBatches, seed } };
}
