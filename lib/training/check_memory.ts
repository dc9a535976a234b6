import { formatBytes } from "../device/describe.ts";
import { countBytes } from "../device/count_bytes.ts";
import { type Cpu, isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { DeviceError } from "../device/errors.ts";
import type { Matrix } from "../matrix.ts";
import { denseNumbers, denseParts } from "../ops/dense_step.ts";
import { roundedNumbers } from "../ops/round_rows.ts";
import { screeningBytes, selectionNumbers } from "../ops/select_on_cpu.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";
import type { Settings } from "./options.ts";
import { mayGoDense } from "./step_buffers.ts";
import { createTrainingState } from "./training_state.ts";
import { countStep } from "./training_step.ts";

/** Bytes of the device's memory that training on batches of this size takes. */
export function trainingBytes(
  device: Device,
  settings: Settings,
  batch: Pick<Matrix, "rows" | "cols">,
): number {
  const { owned, beside } = isCpu(device)
    ? cpuBytes(device, settings, batch)
    : { owned: gpuBytes(device, settings, batch), beside: 0 };
  return owned + beside;
}

/**
 * Exactly what one size of batch takes, dense products included where they may come and have room: the step is
 * appended to a program that only counts.
 */
function gpuBytes(
  device: Device,
  settings: Settings,
  { rows, cols: dModel }: Pick<Matrix, "rows" | "cols">,
): number {
  const counted = countBytes(device);
  const { dictSize, architecture, inputNormalization } = settings;
  const sae = {
    ...{ architecture, dModel, dictSize },
    ...{ wEnc: blank(dictSize * dModel), bEnc: blank(dictSize), threshold: blank(dictSize) },
    ...{ wDec: blank(dictSize * dModel), bDec: blank(dModel) },
  } as Sae;
  const { buffers } = counted.program;
  const state = createTrainingState(device, sae, settings.recordEvery, buffers);
  const normalization = { inputNormalization, inputScale: 1 };
  const { sparse, dense } = countStep(counted, state, settings, normalization, rows);
  // Without room for it there is no dense way, and no error.
  return device.allocated + sparse + dense > device.memoryLimit ? sparse : sparse + dense;
}

/** An array that has a length only. */
function blank(length: number): Float32Array {
  const array = {
    length,
    subarray: (from: number, to: number) => blank(to - from),
    map: () => array,
  } as unknown as Float32Array;
  return array;
}

/** The buffers of training_state.ts and training_step.ts that grow with the sizes, those of the CPU device alone aside. */
function sharedNumbers(
  settings: Settings,
  { rows: n, cols: d }: Pick<Matrix, "rows" | "cols">,
): { numbers: number; entries: number; dead: number } {
  const { dictSize: m, auxCoefficient, auxK } = settings;
  const dead = auxCoefficient > 0 ? Math.min(auxK, m) : 0;
  const kind = architectureOf(settings.architecture);
  const entries = n * (kind.mostActive(settings) + dead);
  const shape = { rows: n, cols: d, entries, auxiliary: dead > 0 };
  const extra = kind.extraNumbers?.(settings, shape) ?? 0;
  const numbers = 6 * m * d + (dead > 0 ? 4 : 3) * n * d + 6 * entries + extra;
  return { numbers, entries, dead };
}

/**
 * The CPU has no pre-activations, but what its selections find and their 8-bit operands; `beside` is what
 * its threads take outside of the device's memory.
 */
function cpuBytes(
  device: Cpu,
  settings: Settings,
  batch: Pick<Matrix, "rows" | "cols">,
): { owned: number; beside: number } {
  const { threads } = device;
  const { dictSize: m } = settings;
  const { rows: n, cols: d } = batch;
  const { numbers, entries, dead } = sharedNumbers(settings, batch);
  const kind = architectureOf(settings.architecture);
  const active = kind.mostActive(settings);
  const cut = kind.k === "none" ? "latent" : kind.k === "mean" ? "batch" : "row";
  const sizes = { rows: n, latents: m, cut, most: entries } as const;
  const wanted = cut === "batch" ? Math.ceil(n * active) : active;
  let own = roundedNumbers(n, m, d) + selectionNumbers({ ...sizes, wanted }, threads);
  if (dead > 0) own += selectionNumbers({ ...sizes, cut: "row", wanted: dead }, threads);
  // Counts of entries in 16 blocks of rows at most, and what else there is a latent: biases with their
  // moments and gradients, norms, lists.
  const rows = dead > 0 ? 2 * n : n;
  own += (Math.min(16, Math.ceil(rows / 32)) + 12) * m;
  // Sums of 64 rows each, of samples and of the encoder.
  own += (Math.ceil(n / 64) + Math.ceil(m / 64)) * d;
  if (mayGoDense(settings)) own += denseNumbers(denseParts(device, m, d), m, d);
  const beside = screeningBytes({ rows: n, latents: m, d }, threads);
  return { owned: 4 * (numbers + own), beside };
}

/**
 * Computes what training on batches of this size takes of the device's memory, before anything is allocated.
 *
 * @throws {DeviceError} It is more than is free of `device.memoryLimit`, or more than the device binds: ReLU
 * and JumpReLU need room for every latent of every sample, 8 bytes each in the largest buffer; or more than
 * the 4 GiB that the CPU device addresses.
 */
export function checkMemory(
  device: Device,
  settings: Settings,
  batch: Pick<Matrix, "rows" | "cols">,
): void {
  const { architecture, dictSize: m } = settings;
  const most = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const largest = 8 * batch.rows * m;
  if (architectureOf(architecture).k === "none" && largest > most) {
    const rows = Math.floor(most / (8 * m));
    throw new DeviceError(
      `${architecture} can have all ${m} latents active in each of ${batch.rows} samples, which ` +
        `needs ${formatBytes(largest)} in one buffer; this device allows ${formatBytes(most)}: ` +
        `take ${rows > 0 ? `batches of at most ${rows} samples, or ` : ""}fewer latents`,
    );
  }
  if (isCpu(device)) checkAddresses(device, settings, batch);
  const needed = trainingBytes(device, settings, batch);
  if (device.allocated + needed > device.memoryLimit) {
    throw new DeviceError(
      `training ${settings.dictSize} latents on batches of ${batch.rows} × ${batch.cols} needs ${
        formatBytes(needed)
      } of ${isCpu(device) ? "memory" : "GPU memory"}, ` +
        `${formatBytes(device.memoryLimit - device.allocated)} are free: ` +
        `take fewer latents, smaller batches or a smaller auxK`,
    );
  }
}

function checkAddresses(
  cpu: Cpu,
  settings: Settings,
  batch: Pick<Matrix, "rows" | "cols">,
): void {
  const { owned } = cpuBytes(cpu, settings, batch);
  if (cpu.allocated + owned <= 2 ** 32) return;
  throw new DeviceError(
    `training ${settings.dictSize} latents on batches of ${batch.rows} × ${batch.cols} needs ${
      formatBytes(owned)
    } of the CPU device's memory, ${formatBytes(2 ** 32 - cpu.allocated)} of the 4 GiB that it ` +
      `addresses are free: take fewer latents, smaller batches or a smaller auxK`,
  );
}
