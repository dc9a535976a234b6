import { columnSums } from "../../kernels/column_sums.ts";
import { normalizeLoss } from "../../kernels/normalize_loss.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
import { words } from "./words.ts";

/**
 * Scales each sample's loss by 1 / ‖x[r] − x̄‖₂, x̄ being the mean of the batch: the first `rows` rows of
 * the residual and their squared errors, from which loss and gradients follow. A sample equal to the
 * mean counts nothing.
 */
export async function divideByDeviation(
  gpu: Gpu,
  buffers: BufferSet,
  { rows, dModel: d, x, residual, squares }: {
    rows: number;
    dModel: number;
    x: GPUBuffer;
    residual: GPUBuffer;
    squares: GPUBuffer;
  },
): Promise<Operation[]> {
  const across = Math.ceil(d / 64);
  // Two stages of sums, as for the decoder bias: 64 rows, then their totals.
  const blocks = Math.ceil(rows / 64);
  const partial = buffers.zeros("partial sums of the batch", blocks * d);
  const mean = buffers.zeros("mean of the batch", d);
  const code = columnSums({ weighted: false });
  const partSizes = buffers.uniform("column sums sizes", words([rows, d, 64, 0, 0], [1]));
  const meanSizes = buffers.uniform(
    "column sums sizes",
    words([blocks, d, blocks, 0, 0], [1 / rows]),
  );
  const sizes = buffers.uniform("normalize loss sizes", words([rows, d]));
  const bound = [sizes, x, mean, residual, squares];
  return [
    await createOperation(gpu, "column sums", code, [partSizes, x, partial], blocks * across),
    await createOperation(gpu, "column sums", code, [meanSizes, partial, mean], across),
    await createOperation(gpu, "normalize loss", normalizeLoss(), bound, rows),
  ];
}
