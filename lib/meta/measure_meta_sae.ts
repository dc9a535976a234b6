import type { Device } from "../device/device.ts";
import type { Matrix, SparseMatrix } from "../matrix.ts";
import { openInference } from "../sae/inference.ts";
import { transformInput } from "../sae/input_transform.ts";
import type { Sae } from "../sae/sae.ts";
import { columnMeans } from "../mean.ts";

/** How well a meta-SAE explains rows. */
export interface MetaMeasures {
  /** 1 − Σ‖w − ŵ‖² / Σ‖w − w̄‖² over the rows w, w̄ their mean; NaN where all rows are equal. */
  explainedVariance: number;
  /** Active meta-latents per row. */
  l0: number;
  /** Meta-latents that no row activates. */
  deadMetaLatents: number;
}

/** Measures a meta-SAE on the rows that it explains, with its inference threshold (Eq. 8). */
export async function measureMetaSae(
  device: Device,
  meta: Sae,
  rows: Matrix,
): Promise<MetaMeasures> {
  using inference = openInference(device, meta);
  const { codes, squaredErrors } = await inference.run(rows);
  return measureCodes(transformInput(meta, rows), codes, squaredErrors);
}

/** The measures, from the codes of the rows (transformed as the meta-SAE's are) and their squared errors. */
export function measureCodes(
  rows: Matrix,
  codes: SparseMatrix,
  squaredErrors: Float32Array,
): MetaMeasures {
  let left = 0;
  for (const error of squaredErrors) left += error;
  return {
    explainedVariance: 1 - left / rowVariance(rows),
    l0: codes.latents.length / rows.rows,
    deadMetaLatents: codes.cols - new Set(codes.latents).size,
  };
}

/** Σ‖w − w̄‖² over rows. */
export function rowVariance({ data, rows, cols }: Matrix): number {
  const mean = columnMeans({ data, rows, cols });
  let sum = 0;
  for (let at = 0; at < data.length; at++) sum += (data[at] - mean[at % cols]) ** 2;
  return sum;
}
