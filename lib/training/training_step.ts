import { type BufferSet, createBuffers, readIntegers, writeBuffer } from "../device/buffer.ts";
import { countBytes, type Counted } from "../device/count_bytes.ts";
import type { Device } from "../device/device.ts";
import { createProgram, type Stage, submit } from "../device/program.ts";
import { bindsDensely } from "../ops/dense_on_gpu.ts";
import { chooseScreening } from "../ops/choose_screening.ts";
import type { RowNormalization } from "../ops/normalize_input.ts";
import { transformInput } from "../sae/input_transform.ts";
import type { Settings } from "./options.ts";
import { mayGoDenseOnGpu } from "./step_buffers.ts";
import { type TrainingState, writeStep } from "./training_state.ts";
import { appendDensely, beginStep, endStep, type StepParts } from "./step_program.ts";

/** A training step for batches of one size. Owns the buffers that such a batch needs. */
export interface TrainingStep {
  /**
   * Takes step number `step` (from 1) on a batch of [rows, d] numbers, with the λ given where
   * `targetL0` steers it; nothing is read back. On a GPU `dense`, after `openDense`, takes it by dense
   * products; on the CPU the batch itself decides.
   */
  run(batch: Float32Array, step: number, sparsityCoefficient?: number, dense?: boolean): void;
  /** Prepares the dense way of a GPU, once; whether there is one, and the memory for it. */
  openDense(): Promise<boolean>;
  /**
   * The smallest activation that the weights as they are keep of a batch (Eq. 8), 0 where they keep
   * none. Nothing is trained; which latents were active last is forgotten, so no step may follow.
   */
  smallestKept(batch: Float32Array): Promise<number>;
  /** Frees the step's buffers. */
  [Symbol.dispose](): void;
}

/**
 * Prepares the training step for batches of `rows` samples. Everything but the encoder is sparse. The
 * samples' own rows of the sparse matrices and of the residual come first (n of them); where there is
 * an auxiliary loss, row n + r holds sample r's dead latents and what their reconstruction leaves of
 * its residual, so that one set of operations serves both losses.
 *
 * ReLU and JumpReLU have no bound on active latents below n·m, so there is room for all of them (24
 * bytes each; on a GPU 4 more for their pre-activations); the work is that of those which are active.
 */
export async function createTrainingStep(
  device: Device,
  state: TrainingState,
  settings: Settings,
  normalization: RowNormalization,
  rows: number,
): Promise<TrainingStep> {
  await chooseScreening(device);
  const before = device.allocated;
  const buffers = createBuffers(device);
  try {
    const p = createProgram(device, buffers);
    const { parts, encoding } = beginStep(p, state, settings, normalization, rows);
    const selecting = await p.stages();
    endStep(p, parts, encoding);
    const stages = await p.stages();

    const { x, columns, sparse } = parts;
    const cleared = [state.stats, columns.counts, sparse.kept];
    const owned = device.allocated - before;
    const cols = state.weights.dModel;
    const writeBatch = (data: Float32Array) =>
      writeBuffer(device, x, transformInput(settings, { data, rows, cols }).data);
    let preparing: Promise<Stage[] | undefined> | undefined;
    let denseStages: Stage[] | undefined;
    return {
      async openDense() {
        preparing ??= prepareDensely(device, buffers, parts, normalization, owned);
        denseStages = await preparing;
        return denseStages !== undefined;
      },
      run(batch, step, sparsityCoefficient, dense = false) {
        writeBatch(batch);
        writeStep(device, state, step, settings, sparsityCoefficient);
        if (dense) submit(device, denseStages!, [state.stats, sparse.offsets]);
        else submit(device, stages, cleared);
      },
      async smallestKept(batch) {
        writeBatch(batch);
        submit(device, selecting, cleared);
        // The complement of its bits, so that 0 stands for none.
        const [, complement] = await readIntegers(device, state.stats, 3);
        return complement === 0 ? 0 : new Float32Array(Uint32Array.of(~complement).buffer)[0];
      },
      [Symbol.dispose]: () => buffers[Symbol.dispose](),
    };
  } catch (error) {
    buffers[Symbol.dispose]();
    throw error;
  }
}

/**
 * The stages of a GPU's step by dense products; undefined where the device does not bind what they need, or
 * has not the memory for them and another step as large as this one, of the stream's last batch.
 */
async function prepareDensely(
  device: Device,
  buffers: BufferSet,
  parts: StepParts,
  normalization: RowNormalization,
  owned: number,
): Promise<Stage[] | undefined> {
  if (!bindsDensely(device, parts.rows, parts.state.weights.dictSize)) return undefined;
  const counted = countBytes(device);
  appendDensely(counted.program, parts, normalization);
  if (device.allocated + counted.bytes + owned > device.memoryLimit) return undefined;
  const p = createProgram(device, buffers);
  appendDensely(p, parts, normalization);
  return await p.stages();
}

/**
 * Counts what is allocated for such a step on a GPU, the bytes counted before included, and what more for its
 * dense products, where they may come; nothing is allocated.
 */
export function countStep(
  counted: Counted,
  state: TrainingState,
  settings: Settings,
  normalization: RowNormalization,
  rows: number,
): { sparse: number; dense: number } {
  const { program } = counted;
  const { parts, encoding } = beginStep(program, state, settings, normalization, rows);
  endStep(program, parts, encoding);
  const sparse = counted.bytes;
  const { device } = program;
  if (mayGoDenseOnGpu(device, settings) && bindsDensely(device, rows, settings.dictSize)) {
    appendDensely(program, parts, normalization);
  }
  return { sparse, dense: counted.bytes - sparse };
}
