import type { Matrix, SparseMatrix } from "../matrix.ts";
import { checkWhole } from "../whole_number.ts";
import { fitLogistic, logOdds } from "./logistic_regression.ts";
import type { ProbeSet } from "./probe_sets.ts";

/** Options of {@linkcode sparseProbes}. */
export interface SparseProbeOptions {
  /** How many features a probe has (default 1, 2, 5, 10, 20 and 50; the paper has 1 and 50). */
  k?: readonly number[];
  /** Weight of the losses beside the penalty (default 1). */
  c?: number;
}

/** A probe for one class, and how often it was right. */
export interface SparseProbe {
  /** The class. */
  label: string;
  /** How many features it has. */
  k: number;
  /** Which ones: those whose means differ most, the first most. */
  features: Uint32Array;
  /** The weight of each. */
  weights: Float64Array;
  /** Test texts that it put on the right side. */
  correct: number;
  /** Test texts, half of them of the class: chance is 0.5. */
  tested: number;
}

/**
 * Sparse probing (Fig. 24 and 25): how well a class is told from the others by k features alone. The features
 * are those with the largest |mean over texts of the class − mean over the others| on the training texts; the
 * probe is a logistic regression on them as they are (scikit-learn's objective, C = 1). Where there are fewer
 * features than k, all are taken.
 *
 * @param features Features of each text, [texts, features]: mean activations of an SAE's latents, or of the
 * channels of the residual stream as the baseline.
 * @param sets What `probeSets` gave.
 * @returns Per class and k one probe, in that order.
 * @throws {RangeError} A k is not a whole number from 1, or a set names a text that is not there.
 */
export function sparseProbes(
  features: Matrix | SparseMatrix,
  sets: readonly ProbeSet[],
  { k = [1, 2, 5, 10, 20, 50], c = 1 }: SparseProbeOptions = {},
): SparseProbe[] {
  for (const value of k) checkWhole(value, "k");
  return sets.flatMap((set) => {
    checkSet(set, features.rows);
    const ranked = rankFeatures(features, set).slice(0, Math.max(...k));
    const train = columnsOf(features, set.train, ranked);
    const test = columnsOf(features, set.test, ranked);
    return k.map((count) => {
      const own = Math.min(count, ranked.length);
      const model = fitLogistic(
        firstColumns(train, own),
        Array.from(set.train, (_, i) => i < set.trainPositive ? 1 : 0),
        { c },
      );
      return {
        label: set.label,
        k: count,
        features: ranked.slice(0, own),
        weights: model.weights,
        correct: countCorrect(logOdds(firstColumns(test, own), model), set.testPositive),
        tested: set.test.length,
      };
    });
  });
}

/** A probe on all features. */
export interface DenseProbe {
  /** The class. */
  label: string;
  /** The weight of each feature. */
  weights: Float64Array;
  /** Added to the weighted sum. */
  bias: number;
  /** Test texts that it put on the right side. */
  correct: number;
  /** Test texts, half of them of the class: chance is 0.5. */
  tested: number;
}

/**
 * Probes on all features: on the residual stream the baseline that sparse probes are compared with, and the
 * probes of targeted probe perturbation.
 *
 * @param features Features of each text, [texts, features].
 * @returns One probe per class.
 */
export function denseProbes(
  features: Matrix,
  sets: readonly ProbeSet[],
  { c = 1 }: Pick<SparseProbeOptions, "c"> = {},
): DenseProbe[] {
  const all = Uint32Array.from({ length: features.cols }, (_, i) => i);
  return sets.map((set) => {
    checkSet(set, features.rows);
    const positive = Array.from(set.train, (_, i) => i < set.trainPositive ? 1 : 0);
    const model = fitLogistic(columnsOf(features, set.train, all), positive, { c });
    const odds = logOdds(columnsOf(features, set.test, all), model);
    return {
      label: set.label,
      ...model,
      correct: countCorrect(odds, set.testPositive),
      tested: set.test.length,
    };
  });
}

/** How many log odds are on the right side, the first `positive` being of the class. */
export function countCorrect(odds: Float64Array, positive: number): number {
  return odds.filter((value, i) => (value > 0) === (i < positive)).length;
}

/** Mean of each feature over texts of the class less that over the others, of the training texts. */
export function meanDifferences(
  features: Matrix | SparseMatrix,
  { train, trainPositive }: ProbeSet,
): Float64Array {
  const difference = new Float64Array(features.cols);
  train.forEach((text, i) => {
    const share = i < trainPositive ? 1 / trainPositive : -1 / (train.length - trainPositive);
    for (const [feature, value] of entriesOf(features, text)) difference[feature] += share * value;
  });
  return difference;
}

/** Features by falling |difference of means|, the lower one first of equal ones. */
function rankFeatures(features: Matrix | SparseMatrix, set: ProbeSet): Uint32Array {
  const size = meanDifferences(features, set).map(Math.abs);
  return Uint32Array.from({ length: features.cols }, (_, i) => i)
    .sort((a, b) => size[b] - size[a] || a - b);
}

/** Chosen features of chosen texts, [texts, chosen]. */
function columnsOf(
  features: Matrix | SparseMatrix,
  texts: Uint32Array,
  chosen: Uint32Array,
): Matrix {
  const place = new Map(Array.from(chosen, (feature, i) => [feature, i]));
  const data = new Float32Array(texts.length * chosen.length);
  texts.forEach((text, row) => {
    for (const [feature, value] of entriesOf(features, text)) {
      const column = place.get(feature);
      if (column !== undefined) data[row * chosen.length + column] = value;
    }
  });
  return { data, rows: texts.length, cols: chosen.length };
}

function firstColumns({ data, rows, cols }: Matrix, count: number): Matrix {
  const part = new Float32Array(rows * count);
  for (let r = 0; r < rows; r++) part.set(data.subarray(r * cols, r * cols + count), r * count);
  return { data: part, rows, cols: count };
}

function* entriesOf(
  features: Matrix | SparseMatrix,
  row: number,
): Generator<[feature: number, value: number]> {
  if ("data" in features) {
    const { data, cols } = features;
    for (let i = 0; i < cols; i++) yield [i, data[row * cols + i]];
    return;
  }
  const { rowOffsets, latents, values } = features;
  for (let e = rowOffsets[row]; e < rowOffsets[row + 1]; e++) yield [latents[e], values[e]];
}

function checkSet({ label, train, test }: ProbeSet, texts: number): void {
  const bad = [...train, ...test].find((text) => text >= texts);
  if (bad !== undefined) {
    throw new RangeError(
      `the set of ${JSON.stringify(label)} has text ${bad}, there are features of ${texts} texts`,
    );
  }
}
