import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import type { Gpu } from "../device/gpu.ts";
import { createSparseColumns, type LossScales, type SparseColumns } from "../ops/gradients.ts";
import type { JumpThresholds } from "../ops/ragged.ts";
import { createSparseRows, type SparseRows } from "../ops/sparse_rows.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Settings } from "./options.ts";
import type { TrainingState } from "./training_state.ts";

/** What one step needs beside what outlives it, for batches of n rows. */
export interface StepMemory {
  /** [n, d] the batch, normalised in place. */
  x: DeviceBuffer;
  /** [n] what each row was divided by. */
  scale: DeviceBuffer;
  /** [n, d] x − b_dec. */
  centered: DeviceBuffer;
  /** Active latents; behind the n rows as many of dead ones, where there is an auxiliary loss. */
  sparse: SparseRows;
  /** e = x − x̂, and behind it what the dead latents leave of it; [n or 2n, d]. */
  residual: DeviceBuffer;
  /** Σ_d of the residual's squares. */
  squares: DeviceBuffer;
  /** [n] what the sparsity loss sums. */
  penalties: DeviceBuffer;
  /** JumpReLU's thresholds. */
  jump?: JumpThresholds;
  /** [1 + m] the number of dead latents, and which they are. */
  dead: DeviceBuffer;
  /** The gradient with respect to each entry. */
  deltas: DeviceBuffer;
  /** The entries by latent. */
  columns: SparseColumns;
  /** Gradients with respect to the biases, and log θ. */
  gradients: { bEnc: DeviceBuffer; bDec: DeviceBuffer; logTheta?: DeviceBuffer };
}

/** Makes room for steps on batches of `n` rows. */
export function createStepMemory(
  device: Device,
  buffers: BufferSet,
  { weights: { dModel: d, dictSize: m }, logTheta }: TrainingState,
  settings: Settings,
  n: number,
): StepMemory {
  const auxiliary = settings.auxCoefficient > 0;
  const kind = architectureOf(settings.architecture);
  const sparseRows = auxiliary ? 2 * n : n;
  const perRow = kind.mostActive(settings) + (auxiliary ? Math.min(settings.auxK, m) : 0);
  const sparse = createSparseRows(buffers, sparseRows, n * perRow);
  return {
    x: buffers.zeros("batch", n * d),
    scale: buffers.zeros("input scales", n),
    centered: buffers.zeros("centered batch", n * d),
    sparse,
    residual: buffers.zeros("residual", sparseRows * d),
    squares: buffers.zeros("squared errors", sparseRows),
    penalties: buffers.zeros("penalties", kind.sparsity ? n : 1),
    ...logTheta
      ? {
        jump: {
          logTheta: logTheta.value,
          theta: buffers.zeros("thresholds", m),
          bandwidth: settings.bandwidth,
        },
      }
      : {},
    dead: buffers.zeros("dead latents", 1 + m),
    deltas: buffers.zeros("entry gradients", sparse.capacity),
    columns: createSparseColumns(device, buffers, sparse, m),
    gradients: {
      bEnc: buffers.zeros("encoder bias gradient", m),
      bDec: buffers.zeros("decoder bias gradient", d),
      ...logTheta ? { logTheta: buffers.zeros("threshold gradient", m) } : {},
    },
  };
}

/** The factors of a step's losses; see `LossScales`. */
export function lossScales(settings: Settings, rows: number, dModel: number): LossScales & {
  /** λ/n of the full λ: what L1 adds to each activation's gradient, and L0's share of its thresholds'. */
  penalty: number;
} {
  const main = -2 / (rows * dModel);
  const penalty = fullSparsity(settings) / rows;
  const { sparsity } = architectureOf(settings.architecture);
  return {
    half: rows,
    main,
    auxiliary: main * settings.auxCoefficient,
    ...(sparsity?.penalty === "sum" ? { sparsity: penalty } : {}),
    penalty,
  };
}

/** The λ of which each step has its share: where it is steered the share is λ itself. */
export const fullSparsity = (settings: Settings): number =>
  settings.targetL0 === undefined ? settings.sparsityCoefficient : 1;

/** Whether the losses are those of the dense way: a sparsity loss and the plain reconstruction. */
export function mayGoDense(settings: Settings): boolean {
  const { sparsity, divideErrors } = architectureOf(settings.architecture);
  return sparsity !== undefined && !divideErrors && settings.auxCoefficient === 0 &&
    settings.lossNormalization !== "input_deviation";
}

/** Whether steps of a GPU may be taken by dense products. */
export const mayGoDenseOnGpu = (device: Device, settings: Settings): boolean =>
  !isCpu(device) && (device as Gpu).denseStep !== "never" && mayGoDense(settings);
