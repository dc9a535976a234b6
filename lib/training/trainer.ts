import { readFloats } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { downloadWeights } from "../ops/weights.ts";
import type { Sae } from "../sae/sae.ts";
import { VERSION } from "../version.ts";
import { checkMemory } from "./check_memory.ts";
import { fingerprint, plainSettings, saeOf } from "./checkpoint.ts";
import { lossChange } from "./loss_change.ts";
import { NonFiniteError } from "./non_finite_error.ts";
import { isRagged, type Settings, type StepRecord } from "./options.ts";
import { startingSae } from "./starting_sae.ts";
import { downloadState, uploadState } from "./state_arrays.ts";
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
  const { resume } = settings;
  const history: StepRecord[] = [...resume?.history ?? []];
  const steps = new Map<number, TrainingStep>();
  let state: TrainingState | undefined;
  let sae: Sae | undefined;
  let samples = resume?.samples ?? 0;
  let taken = resume?.steps ?? 0;
  let lastBatch = resume?.lastBatch ?? 0;
  // Batches of the stream that were taken before the checkpoint.
  let toSkip = resume ? taken - settings.startBatch : 0;
  let saved = taken;
  let unread: { step: number; rows: number; samples: number }[] = [];
  let unreadBytes = 0;

  const read = async () => {
    if (!state || !sae || unread.length === 0) return;
    const records = await readRecords(gpu, state, settings, unread);
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

  const begin = (batch: Matrix): { sae: Sae; state: TrainingState } => {
    sae = resume ? saeOf(resume) : startingSae(settings, batch);
    checkMemory(gpu, settings, batch);
    state = createTrainingState(gpu, sae, settings.recordEvery);
    if (resume) uploadState(gpu, state, resume.arrays);
    return { sae, state };
  };

  const save = async ({ save }: NonNullable<Settings["checkpoint"]>) => {
    await read();
    if (!state || !sae) return;
    const arrays = await downloadState(gpu, state);
    const { wEnc: _1, bEnc: _2, wDec: _3, bDec: _4, threshold: _5, ...plain } = sae;
    // Weights of no use must not take the place of an earlier checkpoint.
    if (!isFinite(saeOf({ sae: plain, arrays }))) throw describeWeights(taken);
    const plainData = { settings: plainSettings(settings), sae: plain, history: [...history] };
    await save({ steps: taken, samples, lastBatch, ...plainData, arrays });
    saved = taken;
  };

  const done = () => settings.signal?.aborted === true || taken === settings.steps;

  return {
    done,
    async step(batch) {
      const dModel = sae?.dModel ?? resume?.sae.dModel ?? settings.initial?.dModel;
      checkBatch(batch, taken + 1 - toSkip, dModel);
      if (toSkip > 0) {
        if (--toSkip === 0 && fingerprint(batch) !== lastBatch) throw otherStream(taken);
        return;
      }
      const running = state && sae ? { sae, state } : begin(batch);
      lastBatch = fingerprint(batch);
      let step = steps.get(batch.rows);
      if (!step) {
        step = await createTrainingStep(
          gpu,
          running.state,
          settings,
          running.sae,
          batch.rows,
        );
        steps.set(batch.rows, step);
      }
      taken++;
      samples += batch.rows;
      step.run(batch.data, taken);
      unread.push({ step: taken, rows: batch.rows, samples });
      unreadBytes += batch.data.byteLength;
      // The queue keeps a copy of every batch that was not yet used: 128 MiB of them at most.
      if (unread.length === settings.recordEvery || unreadBytes > 2 ** 27) await read();
      const { checkpoint } = settings;
      if (checkpoint && taken % checkpoint.every === 0) await save(checkpoint);
    },
    async finish() {
      await read();
      if (toSkip > 0 && !done()) {
        throw new RangeError(
          `the batches end ${toSkip} before number ${taken}, at which the checkpoint's run goes on`,
        );
      }
      if (resume && !state) begin({ data: new Float32Array(), rows: 1, cols: resume.sae.dModel });
      if (!sae || !state) {
        settings.signal?.throwIfAborted();
        throw new RangeError("there was no batch to train on");
      }
      const trained = await download(gpu, sae, state, history, settings, { step: taken, samples });
      // A step's loss says nothing of its own update, nor of a latent that NaN has silenced.
      if (!isFinite(trained)) throw describeWeights(taken);
      if (settings.checkpoint && taken > saved) await save(settings.checkpoint);
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
  const change = lossChange(history);
  return {
    ...sae,
    ...await downloadWeights(gpu, state.weights),
    ...(settings.architecture === "batchtopk"
      ? { threshold: inferenceThreshold(history, settings) }
      : {}),
    ...(state.logTheta
      ? { threshold: (await readFloats(gpu, state.logTheta.value, sae.dictSize)).map(Math.exp) }
      : {}),
    metadata: {
      ...sae.metadata,
      ...describeTraining(settings, step, samples),
      ...(change === undefined ? {} : { lossChange: change }),
    },
  };
}

function isFinite({ wEnc, bEnc, wDec, bDec, threshold = new Float32Array(0) }: Sae): boolean {
  return [wEnc, bEnc, wDec, bDec, threshold].every((weights) => weights.every(Number.isFinite));
}

function describeWeights(step: number): NonFiniteError {
  return new NonFiniteError(
    step,
    `the weights are not finite after step ${step}: a smaller learning rate may help`,
  );
}

function otherStream(taken: number): RangeError {
  return new RangeError(
    `batch ${taken} is not the one that the checkpoint's run took: resume with the same texts, model, ` +
      `batch size and seed`,
  );
}

function describeFailure(
  { step, badInput, gradientNorm = 0 }: { step: number; badInput: number; gradientNorm?: number },
  dModel: number,
  sae: Sae | undefined,
): NonFiniteError {
  const what = badInput >= 0
    ? `batch ${step} has a number that is not finite, in row ${
      Math.floor(badInput / dModel)
    }, column ${badInput % dModel}`
    : !Number.isFinite(gradientNorm)
    ? `the gradients' norm is not finite at step ${step}: a smaller learning rate may help`
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
  const { sparsityCoefficient, bandwidth, lossNormalization } = settings;
  const { sparsityWarmupSteps, gradientClip } = settings;
  const loss = {
    ...(isRagged(settings.architecture) ? { sparsityCoefficient, sparsityWarmupSteps } : {}),
    ...(settings.architecture === "jumprelu" ? { bandwidth } : {}),
    lossNormalization,
    gradientClip,
  };
  return { saewing: VERSION, steps, samples, training: { ...options, ...more, ...loss } };
}
