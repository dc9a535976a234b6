import { formatBytes } from "../device/describe.ts";
import type { Device } from "../device/device.ts";
import { DeviceError } from "../device/errors.ts";
import type { Matrix } from "../matrix.ts";
import { encoderBytes } from "../ops/encode.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { Settings } from "./options.ts";

/** Bytes of GPU memory that training on batches of this size takes. */
export function trainingBytes(
  device: Device,
  settings: Settings,
  { rows: n, cols: d }: Pick<Matrix, "rows" | "cols">,
): number {
  // The buffers of training_state.ts and training_step.ts that grow with the sizes.
  const { dictSize: m, auxCoefficient, auxK } = settings;
  const auxiliary = auxCoefficient > 0;
  const kind = architectureOf(settings.architecture);
  const entries = n * (kind.mostActive(settings) + (auxiliary ? Math.min(auxK, m) : 0));
  const extra = kind.extraNumbers?.(settings, { rows: n, cols: d }) ?? 0;
  const numbers = 6 * m * d + n * m + (auxiliary ? 4 : 3) * n * d + 6 * entries + extra;
  return 4 * numbers + encoderBytes(device, { rows: n, dModel: d, dictSize: m });
}

/**
 * Computes what training on batches of this size takes of GPU memory, before anything is allocated.
 *
 * @throws {DeviceError} It is more than is free of `device.memoryLimit`, or more than the device binds: ReLU
 * and JumpReLU need room for every latent of every sample, 8 bytes each in the largest buffer.
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
  const needed = trainingBytes(device, settings, batch);
  if (device.allocated + needed > device.memoryLimit) {
    throw new DeviceError(
      `training ${settings.dictSize} latents on batches of ${batch.rows} × ${batch.cols} needs ${
        formatBytes(needed)
      } of GPU memory, ` +
        `${formatBytes(device.memoryLimit - device.allocated)} are free: ` +
        `take fewer latents, smaller batches or a smaller auxK`,
    );
  }
}
