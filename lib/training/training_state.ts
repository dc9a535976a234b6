import { layOutStep, RECORD_AT } from "../../kernels/prelude.ts";
import {
  type BufferSet,
  createBuffers,
  type DeviceBuffer,
  readIntegers,
  writeBuffer,
} from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { createMoments, type Moments } from "../ops/adam.ts";
import { RECORD_WORDS } from "../ops/record.ts";
import { uploadWeights, type Weights } from "../ops/weights.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import type { StepRecord } from "./step_record.ts";
import type { Settings } from "./options.ts";
import type { KnownOfStep } from "./before_step.ts";
import { learningRateAt, sparsityShareAt } from "./schedule.ts";

/** What lives on the GPU from step to step. Owns its buffers. */
export interface TrainingState {
  /** The weights. */
  weights: Weights;
  /** Adam's moments of each shard's encoder and decoder rows. */
  shardMoments: { encoder: Moments; decoder: Moments }[];
  /** Adam's moments of the encoder bias. */
  bEncMoments: Moments;
  /** Adam's moments of the decoder bias. */
  bDecMoments: Moments;
  /** [m] log θ of JumpReLU, which is trained, with Adam's moments; others have none. */
  logTheta?: { value: DeviceBuffer; moments: Moments };
  /** [m] last step in which each latent was active. */
  lastActive: DeviceBuffer;
  /** Uniform {step, rate, correction, beta1, beta2, epsilon, sparsity}. */
  step: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents} of the current step. */
  stats: DeviceBuffer;
  /** [recordSlots, RECORD_WORDS] what the last steps did. */
  records: DeviceBuffer;
  /** Number of records that `records` holds. */
  recordSlots: number;
  /** [1] not zero once a loss or a batch was not finite. */
  frozen: DeviceBuffer;
  /** The buffers above. */
  buffers: BufferSet;
}

/** Copies an SAE to the GPU and makes everything that training keeps beside it. */
export function createTrainingState(
  device: Device,
  sae: Sae,
  recordSlots: number,
  buffers: BufferSet = createBuffers(device),
): TrainingState {
  try {
    const weights = uploadWeights(device, buffers, sae);
    return {
      weights,
      shardMoments: weights.shards.map(({ latents }) => ({
        encoder: createMoments(buffers, latents * sae.dModel),
        decoder: createMoments(buffers, latents * sae.dModel),
      })),
      bEncMoments: createMoments(buffers, sae.dictSize),
      bDecMoments: createMoments(buffers, sae.dModel),
      ...(architectureOf(sae.architecture).threshold === "learned"
        ? {
          logTheta: {
            value: buffers.from("log thresholds", sae.threshold!.map(Math.log)),
            moments: createMoments(buffers, sae.dictSize),
          },
        }
        : {}),
      lastActive: buffers.zeros("last active", sae.dictSize),
      step: buffers.uniform("step", layOutStep({})),
      stats: buffers.zeros("stats", 3),
      records: buffers.zeros("records", recordSlots * RECORD_WORDS),
      recordSlots,
      frozen: buffers.zeros("frozen", 1),
      buffers,
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}

/**
 * The buffers from which a run continues, by name: a checkpoint holds these. Where an array is split
 * into shards its buffers come in their order. The others (`step`, `stats`, `records`) are written
 * again by every step.
 */
export function namedBuffers(state: TrainingState): Record<string, DeviceBuffer[]> {
  const { weights: { shards, bEnc, bDec }, shardMoments, bEncMoments, bDecMoments } = state;
  const { logTheta } = state;
  return {
    wEnc: shards.map((shard) => shard.wEnc),
    bEnc: [bEnc],
    wDec: shards.map((shard) => shard.wDec),
    bDec: [bDec],
    "wEnc.first": shardMoments.map(({ encoder }) => encoder.first),
    "wEnc.second": shardMoments.map(({ encoder }) => encoder.second),
    "bEnc.first": [bEncMoments.first],
    "bEnc.second": [bEncMoments.second],
    "wDec.first": shardMoments.map(({ decoder }) => decoder.first),
    "wDec.second": shardMoments.map(({ decoder }) => decoder.second),
    "bDec.first": [bDecMoments.first],
    "bDec.second": [bDecMoments.second],
    ...(logTheta
      ? {
        logTheta: [logTheta.value],
        "logTheta.first": [logTheta.moments.first],
        "logTheta.second": [logTheta.moments.second],
      }
      : {}),
    lastActive: [state.lastActive],
  };
}

/**
 * Writes the step's number, Adam's constants, bias corrections included, and the share of λ that holds
 * (with `targetL0` λ itself), before a step runs.
 */
export function writeStep(
  device: Device,
  state: TrainingState,
  step: number,
  settings: Settings,
  sparsityCoefficient?: number,
): void {
  const { beta1, beta2, epsilon, targetL0 } = settings;
  const constants = {
    ...{ step, beta1, beta2, epsilon },
    rate: learningRateAt(step, settings) / (1 - beta1 ** step),
    correction: 1 / Math.sqrt(1 - beta2 ** step),
    sparsity: targetL0 === undefined ? sparsityShareAt(step, settings) : sparsityCoefficient!,
  };
  writeBuffer(device, state.step, layOutStep(constants));
}

/** A record as it was read back, with what only the GPU knows of a failed step. */
export interface RawRecord extends StepRecord {
  /** Index of the first number of the batch that is not finite, or −1. */
  badInput: number;
  /** Whether this step or one before it failed. */
  frozen: boolean;
}

/** What of a step's record was known before it ran. */
export type TakenStep =
  & Pick<StepRecord, "step" | "samples">
  & KnownOfStep
  & { rows: number };

/** Reads back the records of steps that were taken (waits for the GPU). */
export async function readRecords(
  device: Device,
  state: TrainingState,
  settings: Settings,
  steps: TakenStep[],
): Promise<RawRecord[]> {
  const words = await readIntegers(device, state.records, state.recordSlots * RECORD_WORDS);
  const floats = new Float32Array(words.buffer);
  return steps.map(({ step, rows, samples, ...known }) => {
    const first = ((step - 1) % state.recordSlots) * RECORD_WORDS;
    const at = (name: keyof typeof RECORD_AT) => first + RECORD_AT[name];
    if (words[at("step")] !== step) {
      throw new Error(`the record of step ${step} was overwritten by step ${words[at("step")]}`);
    }
    const reconstructionLoss = floats[at("loss")];
    const auxiliaryLoss = floats[at("auxiliaryLoss")];
    const sparsityLoss = floats[at("sparsityLoss")];
    return {
      ...{ step, samples, loss: reconstructionLoss + auxiliaryLoss + sparsityLoss },
      ...{ reconstructionLoss, auxiliaryLoss, sparsityLoss },
      l0: words[at("activeEntries")] / rows,
      deadLatents: words[at("deadLatents")],
      smallestKept: floats[at("smallestKept")],
      ...(state.logTheta ? { meanThreshold: floats[at("meanThreshold")] } : {}),
      ...(settings.gradientClip > 0 ? { gradientNorm: floats[at("gradientNorm")] } : {}),
      ...(words[at("dense")] !== 0 ? { dense: 1 as const } : {}),
      ...known,
      badInput: words[at("badInput")] - 1,
      frozen: words[at("frozen")] !== 0,
    };
  });
}
