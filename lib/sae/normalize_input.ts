import type { Matrix } from "../matrix.ts";
import { transformInput } from "./input_transform.ts";
import type { Sae } from "./sae.ts";

/** Added to a sample's standard deviation before "layer_norm" divides by it. */
const LAYER_NORM_EPSILON = 1e-5;

/** The part of a sample's divisor that x̂_n is not multiplied by. */
export function undoneEpsilon({ inputNormalization }: Pick<Sae, "inputNormalization">): number {
  return inputNormalization === "layer_norm" ? LAYER_NORM_EPSILON : 0;
}

/** Samples as an SAE reads them, and how its errors go back to their space. */
export interface NormalizedInput {
  /** The normalised samples x_n, [n, d]. */
  x: Matrix;
  /** [n] raw units of a normalised one, sample by sample: x = scale · x_n + mean. */
  scale: Float32Array;
}

/**
 * Transforms and normalises samples as an SAE's `inputTransform` and `inputNormalization` say. x being the
 * transformed ones and s = `scale[r]`, row r becomes
 * - "none": x, s = 1;
 * - "layer_norm": (x − mean(x)) / s, s = the standard deviation over d − 1 (0 where d is 1) + 1e-5;
 * - "constant_norm_rescale": x / s, s = ‖x‖ / √d, so that its norm is √d;
 * - "expected_average_only_in": x / s, s = 1 / `inputScale`, so that the norms of the training data are
 *   √d on average.
 *
 * It is undone on output: x̂ is s · x̂_n, for "layer_norm" (s − 1e-5) · x̂_n + mean(x), as SAELens and the
 * paper's authors undo theirs ({@linkcode decodingTarget}).
 *
 * A sample of zeros stays zeros. With "constant_norm_rescale" its s is 0, the limit of small samples:
 * whatever the SAE makes of it, x̂ is 0 and so is the error.
 *
 * @param sae The SAE, or what of it names transform and normalisation.
 * @param given Activations, [n, d].
 * @returns The normalised samples (where both are "none" the ones given) and the scale of each.
 * @throws {RangeError} The normalisation is unknown, or "expected_average_only_in" lacks `inputScale`.
 */
export function normalizeInput(
  sae: Pick<Sae, "inputTransform" | "inputNormalization" | "inputScale">,
  given: Matrix,
): NormalizedInput {
  checkInputScale(sae);
  const x = transformInput(sae, given);
  const { rows, cols } = x;
  const scale = new Float32Array(rows).fill(1);
  if (sae.inputNormalization === "none") return { x, scale };
  const data = new Float32Array(x.data.length);
  for (let row = 0; row < rows; row++) {
    const own = x.data.subarray(row * cols, (row + 1) * cols);
    const { mean, unit } = measure(sae, own);
    scale[row] = unit;
    if (unit === 0) continue;
    for (let c = 0; c < cols; c++) data[row * cols + c] = (own[c] - mean) / unit;
  }
  return { x: { data, rows, cols }, scale };
}

/**
 * Samples in the units that an SAE decodes in: x − x̂ = scale · (x_t − x̂_n). They are the normalised ones,
 * except that for "layer_norm" the scale contains 1e-5 too much: x̂_n is multiplied by the deviation itself.
 */
export function decodingTarget(
  sae: Pick<Sae, "inputTransform" | "inputNormalization" | "inputScale">,
  given: Matrix,
): NormalizedInput {
  const { x, scale: divided } = normalizeInput(sae, given);
  const epsilon = undoneEpsilon(sae);
  if (epsilon === 0) return { x, scale: divided };
  const scale = divided.map((value) => value - epsilon);
  const data = x.data.map((value, at) => {
    const row = Math.floor(at / x.cols);
    return scale[row] > 0 ? value * (divided[row] / scale[row]) : value;
  });
  return { x: { ...x, data }, scale };
}

function measure(
  { inputNormalization, inputScale }: Pick<Sae, "inputNormalization" | "inputScale">,
  row: Float32Array,
): { mean: number; unit: number } {
  if (inputNormalization === "expected_average_only_in") return { mean: 0, unit: 1 / inputScale! };
  const layer = inputNormalization === "layer_norm";
  const mean = layer ? row.reduce((sum, value) => sum + value, 0) / row.length : 0;
  const squares = row.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (!layer) return { mean, unit: Math.sqrt(squares / row.length) };
  return { mean, unit: Math.sqrt(squares / Math.max(1, row.length - 1)) + LAYER_NORM_EPSILON };
}

/**
 * The `inputScale` that "expected_average_only_in" wants for training data: √d / E‖x‖.
 *
 * @param x Some of the data, [n, d].
 * @returns The factor; not finite where the samples are not, or are all zero.
 */
export function estimateInputScale({ data, rows, cols }: Matrix): number {
  let norms = 0;
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * cols, (row + 1) * cols);
    norms += Math.sqrt(own.reduce((sum, value) => sum + value * value, 0));
  }
  return Math.sqrt(cols) * rows / norms;
}

const KINDS: readonly string[] = [
  "none",
  "layer_norm",
  "expected_average_only_in",
  "constant_norm_rescale",
];

/**
 * Checks that a normalisation is known and has an `inputScale` where it wants one, and only there.
 *
 * @param prefix What stands before the names in errors.
 * @throws {RangeError} Naming what was found and what is wanted.
 */
export function checkInputScale(
  { inputNormalization, inputScale }: Pick<Sae, "inputNormalization" | "inputScale">,
  prefix = "sae.",
): void {
  if (!KINDS.includes(inputNormalization)) {
    throw new RangeError(
      `${prefix}inputNormalization is ${inputNormalization}, expected one of ${KINDS.join(", ")}`,
    );
  }
  const wanted = inputNormalization === "expected_average_only_in";
  if (wanted && inputScale === undefined) {
    throw new RangeError(
      `${prefix}inputScale is missing: the SAE reads activations that were scaled to a mean norm of √d, and ` +
        `its files do not hold the factor, √d / E‖x‖. Give it (inputScale, or saewing convert … --input-scale X), ` +
        `or run the SAE as SAELens does, which applies none: inputNormalization "none" ` +
        `(saewing convert … --set normalize_activations=none)`,
    );
  }
  if (!wanted && inputScale !== undefined) {
    throw new RangeError(`${prefix}inputScale is ${inputScale}, ${inputNormalization} has none`);
  }
  if (wanted && !(Number.isFinite(inputScale) && inputScale! > 0)) {
    throw new RangeError(`${prefix}inputScale is ${inputScale}, expected a number above 0`);
  }
}
