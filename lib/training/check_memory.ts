import { formatBytes } from "../gpu/describe.ts";
import { type Gpu, GpuError } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { encoderBytes } from "../ops/encode.ts";
import { isRagged, type Settings } from "./options.ts";

/** Bytes of GPU memory that training on batches of this size takes. */
export function trainingBytes(
  gpu: Gpu,
  settings: Settings,
  { rows: n, cols: d }: Pick<Matrix, "rows" | "cols">,
): number {
  // The buffers of training_state.ts and training_step.ts that grow with the sizes.
  const { dictSize: m, auxCoefficient, auxK } = settings;
  const auxiliary = auxCoefficient > 0;
  const k = isRagged(settings.architecture) ? m : settings.k;
  const entries = n * (k + (auxiliary ? Math.min(auxK, m) : 0));
  const numbers = 6 * m * d + n * m + (auxiliary ? 4 : 3) * n * d + 6 * entries;
  return 4 * numbers + encoderBytes(gpu, { rows: n, dModel: d, dictSize: m });
}

/**
 * Computes what training on batches of this size takes of GPU memory, before anything is allocated.
 *
 * @throws {GpuError} It is more than is free of `gpu.memoryLimit`, or more than the device binds: ReLU
 * and JumpReLU need room for every latent of every sample, 8 bytes each in the largest buffer.
 */
export function checkMemory(
  gpu: Gpu,
  settings: Settings,
  batch: Pick<Matrix, "rows" | "cols">,
): void {
  const { architecture, dictSize: m } = settings;
  const most = Math.min(gpu.limits.maxStorageBufferBindingSize, gpu.limits.maxBufferSize);
  const largest = 8 * batch.rows * m;
  if (isRagged(architecture) && largest > most) {
    const rows = Math.floor(most / (8 * m));
    throw new GpuError(
      `${architecture} can have all ${m} latents active in each of ${batch.rows} samples, which ` +
        `needs ${formatBytes(largest)} in one buffer; this device allows ${formatBytes(most)}: ` +
        `take ${rows > 0 ? `batches of at most ${rows} samples, or ` : ""}fewer latents`,
    );
  }
  const needed = trainingBytes(gpu, settings, batch);
  if (gpu.allocated + needed > gpu.memoryLimit) {
    throw new GpuError(
      `training ${settings.dictSize} latents on batches of ${batch.rows} × ${batch.cols} needs ${
        formatBytes(needed)
      } of GPU memory, ` +
        `${formatBytes(gpu.memoryLimit - gpu.allocated)} are free: ` +
        `take fewer latents, smaller batches or a smaller auxK`,
    );
  }
}
