import type { Matrix } from "../matrix.ts";
import { makeUnitRows } from "../ops/unit_rows.ts";
import { createRandom } from "../random.ts";
import { decoderRows } from "../sae/decoder_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkWhole } from "../whole_number.ts";
import { checkRows } from "./check_rows.ts";
import { normal } from "./normal.ts";
import { columnMeans } from "../mean.ts";

/**
 * Random rows that have the mean and the covariance of an SAE's decoder rows and nothing else of them:
 * normal vectors, each then brought to norm 1. The stricter control of a meta-SAE: what it explains of
 * these rows needs no latents that share directions, only a residual stream in which some directions
 * carry more variance than others, which `randomUnitRows` does not have.
 *
 * Mean and covariance are those of the rows as they are, so norm 1 (that of decoder rows trained here)
 * moves them a little: the fewer directions carry the variance, the more. All in float64, by a Cholesky
 * factor of the covariance; fewer rows than dimensions, which leave it singular, are fine. It takes
 * about (m + rows) · d² / 2 multiplications: 49152 × 768 half a minute.
 *
 * @param sae The SAE, or its decoder rows [m, d].
 * @param options `rows`: how many rows to draw (default: as many); `seed`: a whole number (default 0).
 * @throws {RangeError | TypeError} The rows do not fit, or a number is not a whole number.
 */
export function covarianceMatchedRows(
  sae: Sae | Matrix,
  { rows = decoderRows(sae).rows, seed = 0 }: { rows?: number; seed?: number } = {},
): Matrix {
  const source = decoderRows(sae);
  checkRows(source, "sae.wDec");
  checkWhole(rows, "rows");
  const { cols } = source;
  const random = createRandom(seed);
  const { mean, covariance } = momentsOfRows(source);
  const factor = choleskyFactor(covariance, cols);
  const data = new Float32Array(rows * cols);
  const drawn = new Float64Array(cols);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) drawn[c] = normal(random);
    for (let c = 0; c < cols; c++) {
      let sum = mean[c];
      for (let j = 0; j <= c; j++) sum += factor[c * cols + j] * drawn[j];
      data[r * cols + c] = sum;
    }
  }
  makeUnitRows({ x: data, d: cols }, 0, rows);
  return { data, rows, cols };
}

/** Mean [d] and covariance [d, d] (lower triangle, divided by the number of rows) of rows. */
export function momentsOfRows(
  { data, rows, cols }: Matrix,
): { mean: Float64Array; covariance: Float64Array } {
  const mean = columnMeans({ data, rows, cols });
  const covariance = new Float64Array(cols * cols);
  const centered = new Float64Array(cols);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) centered[c] = data[r * cols + c] - mean[c];
    for (let i = 0; i < cols; i++) {
      const value = centered[i] / rows;
      for (let j = 0; j <= i; j++) covariance[i * cols + j] += value * centered[j];
    }
  }
  return { mean, covariance };
}

// Of the largest variance: what rounding leaves of a direction without any.
const NO_VARIANCE = 1e-12;

/**
 * L of a covariance C = L · Lᵀ, lower triangular [d, d]. A direction without variance of its own, which
 * others determine, gets a column of zeros.
 */
function choleskyFactor(covariance: Float64Array, d: number): Float64Array {
  const factor = new Float64Array(d * d);
  let largest = 0;
  for (let i = 0; i < d; i++) largest = Math.max(largest, covariance[i * d + i]);
  for (let j = 0; j < d; j++) {
    let left = covariance[j * d + j];
    for (let k = 0; k < j; k++) left -= factor[j * d + k] ** 2;
    if (left <= NO_VARIANCE * largest) continue;
    const pivot = Math.sqrt(left);
    factor[j * d + j] = pivot;
    for (let i = j + 1; i < d; i++) {
      let sum = covariance[i * d + j];
      for (let k = 0; k < j; k++) sum -= factor[i * d + k] * factor[j * d + k];
      factor[i * d + j] = sum / pivot;
    }
  }
  return factor;
}
