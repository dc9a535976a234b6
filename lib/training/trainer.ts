import type { Gpu } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { downloadWeights } from "../ops/weights.ts";
import type { Sae } from "../sae/sae.ts";
import { VERSION } from "../version.ts";
import { checkMemory } from "./check_memory.ts";
import { NonFiniteError } from "./non_finite_error.ts";
import type { Settings, StepRecord } from "./options.ts";
import { startingSae } from "./starting_sae.ts";
import { createTrainingState, readRecords, type TrainingState } from "./training_state.ts";
import { createTrainingStep, type TrainingStep } from "./training_step.ts";

/** An SAE in training, batch by batch. Owns its buffers. */
export interface Trainer {
  /** Whether it takes no more batches: its steps are done, or its signal was aborted. */
  done(): boolean;
  /** Takes a step. Reads records back now and then; throws where one of them failed. */
  step(batch: Matrix): Promise<void>;
  /** Ends the training; gives the SAE with its threshold, and a record of every step. */
  finish(): Promise<{ sae: Sae; history: StepRecord[] }>;
  /** Frees the buffers. */
  [Symbol.dispose](): void;
}

/** Starts to train an SAE; buffers are made when the first batch shows how wide it is. */
export function createTrainer(gpu: Gpu, settings: Settings): Trainer {
  const history: StepRecord[] = [];
  const steps = new Map<number, TrainingStep>();
  let state: TrainingState | undefined;
  let sae: Sae | undefined;
  let samples = 0;
  let taken = 0;
  let unread: { step: number; rows: number; samples: number }[] = [];
  let unreadBytes = 0;

  const read = async () => {
    if (!state || !sae || unread.length === 0) return;
    const records = await readRecords(gpu, state, unread);
    unread = [];
    unreadBytes = 0;
    const failed = records.find((record) => record.frozen);
    for (const { badInput: _, frozen, ...record } of records) if (!frozen) history.push(record);
    if (failed) {
      const before = { step: failed.step - 1, samples: failed.samples };
      const learned = await download(gpu, sae, state, history, settings, before);
      throw describeFailure(failed, sae.dModel, isFinite(learned) ? learned : undefined);
    }
    settings.onProgress?.(history.slice(history.length - records.length));
  };

  return {
    done: () => settings.signal?.aborted === true || taken === settings.steps,
    async step(batch) {
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
    },
    async finish() {
      await read();
      if (!sae || !state) {
        settings.signal?.throwIfAborted();
        throw new RangeError("there was no batch to train on");
      }
      const trained = await download(gpu, sae, state, history, settings, { step: taken, samples });
      // A step's loss says nothing of its own update, nor of a latent that NaN has silenced.
      if (!isFinite(trained)) {
        throw new NonFiniteError(
          taken,
          `the weights are not finite after step ${taken}: a smaller learning rate may help`,
        );
      }
      return { sae: trained, history };
    },
    [Symbol.dispose]() {
      for (const step of steps.values()) step[Symbol.dispose]();
      state?.buffers[Symbol.dispose]();
    },
  };
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

async function download(
  gpu: Gpu,
  sae: Sae,
  state: TrainingState,
  history: StepRecord[],
  settings: Settings,
  { step, samples }: { step: number; samples: number },
): Promise<Sae> {
  return {
    ...sae,
    ...await downloadWeights(gpu, state.weights),
    ...(settings.architecture === "batchtopk"
      ? { threshold: inferenceThreshold(history, settings) }
      : {}),
    metadata: { ...sae.metadata, ...describeTraining(settings, step, samples) },
  };
}

function isFinite({ wEnc, bEnc, wDec, bDec }: Sae): boolean {
  return [wEnc, bEnc, wDec, bDec].every((weights) => weights.every(Number.isFinite));
}

function describeFailure(
  { step, badInput }: { step: number; badInput: number },
  dModel: number,
  sae: Sae | undefined,
): NonFiniteError {
  const what = badInput >= 0
    ? `batch ${step} has a number that is not finite, in row ${
      Math.floor(badInput / dModel)
    }, column ${badInput % dModel}`
    : `the loss is not finite at step ${step}: a smaller learning rate may help`;
  return new NonFiniteError(step, what, sae);
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
  const { warmupSteps, decaySteps, thresholdBatches, seed } = settings;
  const more = { warmupSteps, decaySteps, thresholdBatches, seed };
  return { saewing: VERSION, steps, samples, training: { ...options, ...more } };
}
