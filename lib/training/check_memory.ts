import { formatBytes } from "../gpu/describe.ts";
import { type Gpu, GpuError } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import type { Settings } from "./options.ts";

/** Bytes of GPU memory that training on batches of this size takes. */
export function trainingBytes(
  settings: Settings,
  { rows: n, cols: d }: Pick<Matrix, "rows" | "cols">,
): number {
  // The buffers of training_state.ts and training_step.ts that grow with the sizes.
  const { dictSize: m, k, auxCoefficient, auxK } = settings;
  const auxiliary = auxCoefficient > 0;
  const entries = n * (k + (auxiliary ? Math.min(auxK, m) : 0));
  return 4 * (6 * m * d + n * m + (auxiliary ? 4 : 3) * n * d + 6 * entries);
}

/**
 * Computes what training on batches of this size takes of GPU memory, before anything is allocated.
 *
 * @throws {GpuError} It is more than is free of `gpu.memoryLimit`.
 */
export function checkMemory(gpu: Gpu, settings: Settings, batch: Matrix): void {
  const needed = trainingBytes(settings, batch);
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
