import { readFloats } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { chooseScreening } from "../ops/choose_screening.ts";
import { downloadWeights } from "../ops/weights.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import { beforeStep } from "./before_step.ts";
import { checkMemory } from "./check_memory.ts";
import { goesDense, tellsDensity } from "./choose_dense.ts";
import { type Checkpoint, fingerprint, saeOf } from "./checkpoint.ts";
import { plainSettings } from "./resume.ts";
import { describeEnd, describeTraining } from "./describe_training.ts";
import { NonFiniteError } from "./non_finite_error.ts";
import type { StepRecord } from "./step_record.ts";
import type { Settings } from "./options.ts";
import type { RecentBatches } from "./recent_batches.ts";
import { startingSae } from "./starting_sae.ts";
import { downloadState, uploadState } from "./state_arrays.ts";
import { isSteered } from "./steer_sparsity.ts";
import {
  createTrainingState,
  readRecords,
  type TakenStep,
  type TrainingState,
} from "./training_state.ts";
import { trainingWarnings } from "./training_warnings.ts";
import { createTrainingStep, type TrainingStep } from "./training_step.ts";
import { mayGoDenseOnGpu } from "./step_buffers.ts";

/** An SAE in training, batch by batch. Owns its buffers. */
export interface Trainer {
  /** Whether it takes no more batches: its steps are done, or its signal was aborted. */
  done(): boolean;
  /** Takes a step. Reads records back now and then; throws where one of them failed. */
  step(batch: Matrix): Promise<void>;
  /** Whether it wants no more batches: done, and a batchtopk SAE has seen enough to measure θ on. */
  ready(): boolean;
  /** Sees a batch after the last step, which is measured on and not learned from. */
  look(batch: Matrix): void;
  /** Ends the training; gives the SAE with its threshold, and a record of every step. */
  finish(): Promise<{ sae: Sae; history: StepRecord[] }>;
  /** Frees the buffers. */
  [Symbol.dispose](): void;
}

/**
 * Starts to train an SAE; buffers are made when the first batch shows how wide it is.
 *
 * @param recent The last batches of the stream, each there before `step` takes it.
 */
export function createTrainer(device: Device, settings: Settings, recent: RecentBatches): Trainer {
  const { resume } = settings;
  const mayGoDense = mayGoDenseOnGpu(device, settings);
  const measured = architectureOf(settings.architecture).threshold === "measured";
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
  let inferenceThreshold = resume?.inferenceThreshold;
  // Batches that came after the last step.
  let unseen = 0;
  let unread: TakenStep[] = [];
  let unreadBytes = 0;
  const told = new Set<string>();

  const read = async () => {
    if (!state || !sae || unread.length === 0) return;
    const records = await readRecords(device, state, settings, unread);
    unread = [];
    unreadBytes = 0;
    const failed = records.find((record) => record.frozen);
    for (const { badInput: _, frozen, ...record } of records) if (!frozen) history.push(record);
    if (failed) {
      const before = { step: failed.step - 1, samples: failed.samples };
      // The failed batch, and those that were taken before it was noticed, are not measured on.
      inferenceThreshold = await measureThreshold(taken - before.step);
      const learned = await learnedSae(state, sae, before);
      throw describeFailure(failed, sae.dModel, isFinite(learned) ? learned : undefined);
    }
    settings.onProgress?.({
      phase: "training",
      done: history.at(-1)?.step ?? 0,
      ...(settings.steps === undefined ? {} : { total: settings.steps }),
      records: history.slice(history.length - records.length),
    });
    warn(false);
  };

  const warn = (ended: boolean) => {
    for (const warning of trainingWarnings(history, settings, ended)) {
      if (!told.has(warning.kind)) settings.onWarning?.(warning);
      told.add(warning.kind);
    }
  };

  const begin = (batch: Matrix): { sae: Sae; state: TrainingState } => {
    checkMemory(device, settings, batch);
    sae = resume ? saeOf(resume) : startingSae(settings, batch);
    state = createTrainingState(device, sae, settings.recordEvery);
    if (resume) uploadState(device, state, resume.arrays);
    return { sae, state };
  };

  const stepFor = async (running: { sae: Sae; state: TrainingState }, rows: number) => {
    const step = steps.get(rows) ??
      await createTrainingStep(device, running.state, settings, running.sae, rows);
    steps.set(rows, step);
    return step;
  };

  /**
   * θ of Eq. 8 with the weights as they are: the mean over batches of the smallest activation kept. Batches
   * that were not learned from are taken where there are any: an SAE keeps 1 to 2 % more of them than of
   * its own above the same threshold. No step may follow.
   *
   * @param without How many of the newest batches to leave out.
   */
  const measureThreshold = async (without: number): Promise<number | undefined> => {
    if (!measured || !state || !sae) return undefined;
    const smallest = [];
    const count = unseen > 0 ? unseen : settings.thresholdBatches;
    for (const { data, rows } of recent.last(count, without)) {
      const step = await stepFor({ sae, state }, rows);
      smallest.push(await step.smallestKept(data));
    }
    // Of a run that ended where it was resumed no batch was seen again.
    return meanOfPositive(
      smallest.length > 0
        ? smallest
        : history.slice(-settings.thresholdBatches).map((record) => record.smallestKept),
    );
  };

  /** The SAE as it was trained so far. */
  const learnedSae = async (
    state: TrainingState,
    sae: Sae,
    { step, samples }: { step: number; samples: number },
  ): Promise<Sae> => {
    const { dictSize } = sae;
    // An SAE to start from has told of its own end.
    const { lossChange: _, warnings: __, ...metadata } = sae.metadata;
    const threshold = state.logTheta
      ? (await readFloats(device, state.logTheta.value, dictSize)).map(Math.exp)
      : inferenceThreshold === undefined
      ? undefined
      : new Float32Array(dictSize).fill(inferenceThreshold);
    return {
      ...sae,
      ...await downloadWeights(device, state.weights),
      ...(threshold ? { threshold } : {}),
      metadata: {
        ...metadata,
        ...describeTraining(settings, step, samples),
        ...describeEnd(history, settings),
      },
    };
  };

  /** What a checkpoint holds of this step. */
  const takeCheckpoint = async (state: TrainingState, sae: Sae): Promise<Checkpoint> => {
    const arrays = await downloadState(device, state);
    const { wEnc: _1, bEnc: _2, wDec: _3, bDec: _4, threshold: _5, ...plain } = sae;
    // Weights of no use must not take the place of an earlier checkpoint.
    if (!isFinite(saeOf({ sae: plain, arrays }))) throw describeWeights(taken);
    const plainData = { settings: plainSettings(settings), sae: plain, history: [...history] };
    return { steps: taken, samples, lastBatch, ...plainData, arrays };
  };

  const done = () => settings.signal?.aborted === true || taken === settings.steps;

  /** Checks a batch; whether it is one that the checkpoint's run took. */
  const skip = (batch: Matrix): boolean => {
    const dModel = sae?.dModel ?? resume?.sae.dModel ?? settings.initial?.dModel;
    checkBatch(batch, taken + 1 - toSkip, dModel);
    if (toSkip === 0) return false;
    if (--toSkip === 0 && fingerprint(batch) !== lastBatch) throw otherStream(taken);
    return true;
  };

  return {
    done,
    ready: () =>
      settings.signal?.aborted === true || taken === settings.steps &&
        (!measured || inferenceThreshold !== undefined ||
          unseen >= Math.min(taken, settings.thresholdBatches)),
    look(batch) {
      if (!skip(batch)) unseen++;
    },
    async step(batch) {
      if (skip(batch)) return;
      // What memory it takes depends on it.
      if (!state) await chooseScreening(device);
      const running = state && sae ? { sae, state } : begin(batch);
      lastBatch = fingerprint(batch);
      const step = await stepFor(running, batch.rows);
      inferenceThreshold = undefined;
      taken++;
      samples += batch.rows;
      if (isSteered(settings, taken) || mayGoDense && tellsDensity(taken - 1)) await read();
      const before = unread.at(-1) ?? history.at(-1);
      const known = beforeStep(taken, settings, running.sae, { batch, history, before });
      const { dictSize } = running.sae;
      const dense = mayGoDense && goesDense(device, history, dictSize) && await step.openDense();
      step.run(batch.data, taken, known.sparsityCoefficient, dense);
      unread.push({ step: taken, rows: batch.rows, samples, ...known });
      unreadBytes += batch.data.byteLength;
      // The queue keeps a copy of every batch that was not yet used: 128 MiB of them at most.
      if (unread.length === settings.recordEvery || unreadBytes > 2 ** 27) await read();
      const { checkpoint } = settings;
      // The last one is saved at the end, with the threshold.
      if (!checkpoint || taken % checkpoint.every !== 0 || done()) return;
      await read();
      await checkpoint.save(await takeCheckpoint(running.state, running.sae));
      saved = taken;
    },
    async finish() {
      await read();
      if (toSkip > 0 && !done()) {
        throw new RangeError(
          `the batches end ${toSkip} before number ${taken}, at which the checkpoint's run continues`,
        );
      }
      if (resume && !state) begin({ data: new Float32Array(), rows: 1, cols: resume.sae.dModel });
      if (!sae || !state) {
        settings.signal?.throwIfAborted();
        throw new RangeError("there was no batch to train on");
      }
      const measures = measured && inferenceThreshold === undefined;
      // Before the threshold is measured, which changes what a step would start from.
      const checkpoint = settings.checkpoint && (taken > saved || measures)
        ? await takeCheckpoint(state, sae)
        : undefined;
      if (measures) inferenceThreshold = await measureThreshold(0);
      const trained = await learnedSae(state, sae, { step: taken, samples });
      // A step's loss says nothing of its own update, nor of a latent that NaN has silenced.
      if (!isFinite(trained)) throw describeWeights(taken);
      if (checkpoint) {
        const ended = inferenceThreshold === undefined ? {} : { inferenceThreshold };
        await settings.checkpoint!.save({ ...checkpoint, ...ended });
      }
      warn(!settings.signal?.aborted);
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

function meanOfPositive(values: number[]): number {
  const positive = values.filter((value) => value > 0);
  return positive.reduce((sum, value) => sum + value, 0) / (positive.length || 1);
}
