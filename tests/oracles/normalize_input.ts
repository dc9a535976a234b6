// Input normalisation in plain float64, sample by sample.
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";

type Normalization = Pick<Sae, "inputNormalization" | "inputScale">;

/** A normalised sample, the raw units per normalised unit, and the mean that was subtracted. */
export function normalizeRow(
  { inputNormalization, inputScale }: Normalization,
  row: number[],
): { x: number[]; scale: number; mean: number } {
  const d = row.length;
  if (inputNormalization === "none") return { x: row, scale: 1, mean: 0 };
  if (inputNormalization === "expected_average_only_in") {
    return { x: row.map((value) => value * inputScale!), scale: 1 / inputScale!, mean: 0 };
  }
  if (inputNormalization === "constant_norm_rescale") {
    const scale = Math.hypot(...row) / Math.sqrt(d);
    return { x: row.map((value) => scale === 0 ? 0 : value / scale), scale, mean: 0 };
  }
  const mean = row.reduce((sum, value) => sum + value, 0) / d;
  const variance = d === 1 ? 0 : row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (d - 1);
  const scale = Math.sqrt(variance) + 1e-5;
  return { x: row.map((value) => (value - mean) / scale), scale, mean };
}

/** All rows of a matrix, normalised, the scale of each, and what x̂_n is multiplied by. */
export function normalizeRows(sae: Normalization, { data, rows, cols }: Matrix): {
  x: Float64Array;
  scale: number[];
  outputScale: number[];
} {
  const all = Array.from(
    { length: rows },
    (_, r) => normalizeRow(sae, [...data.subarray(r * cols, (r + 1) * cols)]),
  );
  const scale = all.map(({ scale }) => scale);
  // A reconstruction is multiplied by the deviation without ε.
  const outputScale = sae.inputNormalization === "layer_norm"
    ? scale.map((value) => value - 1e-5)
    : scale;
  return { x: Float64Array.from(all.flatMap(({ x }) => x)), scale, outputScale };
}

/** What `trainSae` normalises with: the expected norm is that of the first batch. */
export function normalizationOf(
  { inputNormalization = "none", inputScale }: Partial<Normalization>,
  { data, rows, cols }: Matrix,
): Normalization {
  if (inputNormalization !== "expected_average_only_in") return { inputNormalization };
  let norms = 0;
  for (let r = 0; r < rows; r++) norms += Math.hypot(...data.subarray(r * cols, (r + 1) * cols));
  return { inputNormalization, inputScale: inputScale ?? Math.sqrt(cols) / (norms / rows) };
}
