import { columnSums } from "../../kernels/column_sums.ts";
import { normalizeLoss } from "../../kernels/normalize_loss.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program } from "../device/program.ts";
import type { DeviceBuffer } from "../device/buffer.ts";

/**
 * Scales each sample's loss by 1 / ‖x[r] − x̄‖₂, where x̄ is the mean of the batch: scales the first `rows`
 * rows of the residual and their squared errors, from which loss and gradients follow. A sample equal to
 * the mean has weight 0.
 */
export function divideByDeviation(
  p: Program,
  { rows, dModel: d, x, residual, squares }: {
    rows: number;
    dModel: number;
    x: DeviceBuffer;
    residual: DeviceBuffer;
    squares: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    const mean = p.buffers.zeros("mean of the batch", d);
    p.loop(meanOfRows, { x: f32(x), mean: f32(mean), rows, d }, d);
    const own = { x: f32(x), mean: f32(mean), residual: f32(residual), squares: f32(squares), d };
    p.loop(divideRows, own, rows);
    return;
  }
  const across = Math.ceil(d / 64);
  // Two stages of sums, as for the decoder bias: 64 rows, then their totals.
  const blocks = Math.ceil(rows / 64);
  const partial = p.buffers.zeros("partial sums of the batch", blocks * d);
  const mean = p.buffers.zeros("mean of the batch", d);
  const sums = columnSums({ weighted: false });
  const sizes = { cols: d, firstBlock: 0, firstWeight: 0 };
  p.kernel(sums, {
    sizes: { ...sizes, rows, rowsPerBlock: 64, scale: 1 },
    bind: { x, out: partial },
    workgroups: blocks * across,
  });
  p.kernel(sums, {
    sizes: { ...sizes, rows: blocks, rowsPerBlock: blocks, scale: 1 / rows },
    bind: { x: partial, out: mean },
    workgroups: across,
  });
  p.kernel(normalizeLoss(), {
    sizes: { rows, cols: d },
    bind: { x, mean, residual, squares },
    workgroups: rows,
  });
}

/** mean[c] = Σ_r x[r, c] / rows, over columns; the sums are float64. */
export function meanOfRows(
  { x, mean, rows, d }: { x: Float32Array; mean: Float32Array; rows: number; d: number },
  from: number,
  to: number,
): void {
  const sums = new Float64Array(to - from);
  for (let row = 0; row < rows; row++) {
    for (let c = from; c < to; c++) sums[c - from] += x[row * d + c];
  }
  for (let c = from; c < to; c++) mean[c] = sums[c - from] / rows;
}

/** The loop of {@linkcode divideByDeviation}, over rows. */
export function divideRows(
  { x, mean, residual, squares, d }: {
    x: Float32Array;
    mean: Float32Array;
    residual: Float32Array;
    squares: Float32Array;
    d: number;
  },
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    let deviation = 0;
    for (let c = 0; c < d; c++) deviation += (x[row * d + c] - mean[c]) ** 2;
    const scale = deviation > 0 ? 1 / Math.sqrt(deviation) : 0;
    for (let at = row * d; at < (row + 1) * d; at++) residual[at] *= scale;
    squares[row] *= scale;
  }
}
