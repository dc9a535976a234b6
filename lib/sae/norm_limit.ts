import type { Matrix } from "../matrix.ts";
import type { Sae } from "./sae.ts";
import type { StitchedSae } from "./stitched_sae.ts";

/**
 * Which activations are massive: those whose L2 norm is above `multiple · medianNorm`. Plain JSON, as
 * `metadata.normLimit` of an SAE and `store.json` keep it.
 */
export interface NormLimit {
  /** How many times the median norm. */
  multiple: number;
  /** Median L2 norm of activations as the model gives them. */
  medianNorm: number;
}

/**
 * A limit, a multiple of a median to be measured on the first 4,096 activations, or "none": nothing is
 * massive.
 */
export type NormLimitChoice = NormLimit | { multiple: number; medianNorm?: undefined } | "none";

/** Default: activations above 10 times the median norm are massive. */
export const DEFAULT_NORM_LIMIT: { multiple: number } = { multiple: 10 };

/** Activations on which a median norm is measured, or all where there are fewer. */
export const MEDIAN_ROWS = 4096;

/** @throws {RangeError} The multiple is below 1, or the median is not a norm. */
export function checkNormLimit(choice: NormLimitChoice, name = "normLimit"): void {
  if (choice === "none") return;
  const { multiple, medianNorm } = choice ?? {};
  if (!(Number.isFinite(multiple) && multiple >= 1)) {
    throw new RangeError(`${name}.multiple is ${multiple}, expected a number of at least 1`);
  }
  if (medianNorm !== undefined && !(Number.isFinite(medianNorm) && medianNorm >= 0)) {
    throw new RangeError(`${name}.medianNorm is ${medianNorm}, expected a number of at least 0`);
  }
}

/**
 * The limit that an SAE was trained with, from `metadata.normLimit`: "none" where it was trained on all
 * activations, undefined where not recorded. For a stitched SAE, the first recorded limit.
 *
 * @throws {RangeError} It is not a limit.
 */
export function recordedNormLimit(
  sae: Pick<Sae, "architecture" | "metadata"> | StitchedSae,
): NormLimit | "none" | undefined {
  if (sae.architecture === "stitched") {
    return recordedNormLimit(sae.small) ?? recordedNormLimit(sae.large);
  }
  const limit = sae.metadata.normLimit as NormLimit | "none" | undefined;
  if (limit === undefined || limit === "none") return limit;
  if (typeof limit !== "object" || limit === null || limit.medianNorm === undefined) {
    throw new RangeError(
      `metadata.normLimit is ${JSON.stringify(limit)}, expected "none", or multiple and medianNorm`,
    );
  }
  checkNormLimit(limit, "metadata.normLimit");
  const { multiple, medianNorm } = limit;
  return { multiple, medianNorm };
}

/**
 * The norm limit for an SAE: `choice`, with the SAE's median where it has none; else the limit
 * that the SAE was trained with; else {@linkcode DEFAULT_NORM_LIMIT}.
 *
 * @throws {RangeError} `choice` or the SAE's record is not a limit.
 */
export function chooseNormLimit(
  choice: NormLimitChoice | undefined,
  sae: Sae | StitchedSae,
): NormLimitChoice {
  const recorded = recordedNormLimit(sae);
  if (choice === undefined) return recorded ?? DEFAULT_NORM_LIMIT;
  checkNormLimit(choice);
  if (choice === "none" || choice.medianNorm !== undefined) return choice;
  return recorded === undefined || recorded === "none"
    ? choice
    : { ...recorded, multiple: choice.multiple };
}

/** L2 norm of each row, [rows], summed in float64. */
export function rowNorms({ data, rows, cols }: Matrix): Float64Array {
  const norms = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let sum = 0;
    for (let c = 0; c < cols; c++, at++) sum += data[at] * data[at];
    norms[row] = Math.sqrt(sum);
  }
  return norms;
}

/**
 * Whether a norm is above a limit. One that is not finite is not: such an activation is refused
 * elsewhere, not silently excluded. Nothing is above where the median is 0.
 */
export function isMassive(norm: number, limit: NormLimit | "none"): boolean {
  if (limit === "none" || limit.medianNorm === 0) return false;
  return norm > limit.multiple * limit.medianNorm && norm < Infinity;
}

/** The rows of x that are massive, ascending. */
export function massiveRows(x: Matrix, limit: NormLimit | "none"): number[] {
  if (limit === "none") return [];
  const massive: number[] = [];
  rowNorms(x).forEach((norm, row) => {
    if (isMassive(norm, limit)) massive.push(row);
  });
  return massive;
}

/**
 * The rows of x without some.
 *
 * @param left Rows to exclude, ascending.
 * @returns A new matrix; x itself where none is excluded.
 */
export function withoutRows(x: Matrix, left: readonly number[]): Matrix {
  if (left.length === 0) return x;
  const rows = x.rows - left.length;
  const data = new Float32Array(rows * x.cols);
  let next = 0;
  let to = 0;
  for (let row = 0; row < x.rows; row++) {
    if (row === left[next]) {
      next++;
      continue;
    }
    data.set(x.data.subarray(row * x.cols, (row + 1) * x.cols), to);
    to += x.cols;
  }
  return { data, rows, cols: x.cols };
}

/** The median norm of the first {@linkcode MEDIAN_ROWS} rows; 0 where there is none. */
export function medianNorm(batches: readonly Matrix[]): number {
  const norms: number[] = [];
  for (const batch of batches) {
    if (norms.length >= MEDIAN_ROWS) break;
    norms.push(...rowNorms({ ...batch, rows: Math.min(batch.rows, MEDIAN_ROWS - norms.length) }));
  }
  const sorted = Float64Array.from(norms.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return 0;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
