import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { checkCount } from "../sae/check_numbers.ts";
import { type InferenceOptions, openInference } from "../sae/inference.ts";
import {
  chooseNormLimit,
  isMassive,
  type NormLimit,
  type NormLimitChoice,
  rowNorms,
  withoutRows,
} from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { readFirstParts } from "../sae/separate_massive.ts";
import type { StitchedSae } from "../sae/stitched_sae.ts";

/** What {@linkcode evaluateCrossEntropy} needs of a language model; `openLanguageModel` gives it. */
export interface SplicedModel {
  /** Width of the hook's activations. */
  dModel: number;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /**
   * Loss in nats of predicting each next token, [rows · (L − 1)], the hook's activations being
   * `replacement`, or the model's own.
   */
  crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Float32Array>;
}

/** What a language model loses when the hook's activations are replaced. Nats a token. */
export interface CrossEntropyEvaluation {
  /** Number of predictions measured. */
  tokens: number;
  /** The model as it is. */
  clean: number;
  /** Activations replaced by the SAE's reconstructions. */
  spliced: number;
  /** Activations replaced by zero. */
  zeroAblated: number;
  /** Activations replaced by their mean. */
  meanAblated: number;
  /** spliced − clean. */
  degradation: number;
  /** (zeroAblated − spliced) / (zeroAblated − clean), the first column of Table 2. */
  recoveredFromZero: number;
  /** (meanAblated − spliced) / (meanAblated − clean), the second column of Table 2. */
  recoveredFromMean: number;
  /** Positions that kept the model's own activation because it is massive; absent where none did. */
  leftOut?: number;
}

/** Options of {@linkcode evaluateCrossEntropy}. */
export interface CrossEntropyOptions extends InferenceOptions {
  /**
   * Positions of a row that keep the model's own activations in every variant; predictions made there
   * are not measured. Default [0]: the beginning-of-sequence token.
   */
  skipPositions?: readonly number[];
  /**
   * Activations that are massive: as at skipped positions the model keeps its own in every variant, and
   * predictions made there are not measured. If not given, those that the SAE was trained without
   * (`metadata.normLimit`), or where it does not say, what exceeds 10 times the median norm of the first
   * 4,096 that are not skipped.
   */
  normLimit?: NormLimitChoice;
  /** Token rows a call of the model (default 16). */
  rowsPerRun?: number;
  /** Called after each call of the model with the share of the work that is done. */
  onProgress?: (done: number) => void;
  /** Stops the evaluation; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Measures what splicing an SAE into a language model costs: its cross-entropy with the
 * hook's activations clean, reconstructed, zero-ablated and mean-ablated.
 *
 * @param tokenRows Rows of tokens, all of one length L ≥ 2.
 * @throws {RangeError} There are no rows, they differ in length, or the SAE's width is not the hook's;
 * `rowsPerRun` is no whole number above 0.
 */
export async function evaluateCrossEntropy(
  device: Device,
  model: SplicedModel,
  sae: Sae | StitchedSae,
  tokenRows: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  options: CrossEntropyOptions = {},
): Promise<CrossEntropyEvaluation> {
  if (model.dModel !== sae.dModel) {
    throw new RangeError(`the SAE's dModel is ${sae.dModel}, the hook's is ${model.dModel}`);
  }
  const { rowsPerRun = 16, signal } = options;
  checkCount(rowsPerRun, "rowsPerRun");
  const { runs, length } = await groupRows(tokenRows, rowsPerRun);
  const positions = replacedPositions(length, options.skipPositions ?? [0]);
  const chosen = chooseNormLimit(options.normLimit, sae);
  using inference = openInference(device, sae, options);
  const losses = { clean: 0, spliced: 0, zeroAblated: 0, meanAblated: 0 };
  const sums = new Float64Array(sae.dModel);
  let tokens = 0;
  let samples = 0;
  let leftOut = 0;
  let done = 0;
  /** @param replaced Whether each activation is replaced, [rows · L]. */
  const add = (name: keyof typeof losses, loss: Float32Array, replaced: boolean[]): number => {
    let counted = 0;
    for (let at = 0; at < loss.length; at++) {
      // The last position of each row has no loss.
      if (!replaced[at + Math.floor(at / (length - 1))]) continue;
      losses[name] += loss[at];
      counted++;
    }
    signal?.throwIfAborted();
    // Four losses a run: three in the first pass, the mean's in the second.
    options.onProgress?.(++done / (4 * runs.length));
    return counted;
  };

  const read = (run: number) => model.activations(runs[run].data, runs[run].rows);
  const { limit, take } = await readFirstParts(
    chosen,
    runs.length,
    read,
    (x) => gather(x, replacedActivations(x, positions, "none")),
  );
  const ordinary = runs.map(() => [] as boolean[]);
  for (const [i, { rows, data }] of runs.entries()) {
    const x = await take(i);
    const replaced = ordinary[i] = replacedActivations(x, positions, limit);
    leftOut += replaced.filter((own, at) => !own && positions[at % length]).length;
    const own = gather(x, replaced);
    const { residual } = await inference.run(own, { residual: true });
    for (let at = 0; at < own.data.length; at++) sums[at % own.cols] += own.data[at];
    samples += own.rows;
    tokens += add("clean", await model.crossEntropy(data, rows, x), replaced);
    const spliced = scatter(x, replaced, (at) => own.data[at] - residual![at]);
    add("spliced", await model.crossEntropy(data, rows, spliced), replaced);
    const zero = scatter(x, replaced, () => 0);
    add("zeroAblated", await model.crossEntropy(data, rows, zero), replaced);
  }
  if (tokens === 0) {
    throw new RangeError(
      `${leftOut} activations are above the limit on norms, no prediction is left to measure`,
    );
  }
  const mean = sums.map((sum) => sum / samples);
  for (const [i, { rows, data }] of runs.entries()) {
    const x = await read(i);
    const ablated = scatter(x, ordinary[i], (at) => mean[at % x.cols]);
    add("meanAblated", await model.crossEntropy(data, rows, ablated), ordinary[i]);
  }
  const [clean, spliced, zeroAblated, meanAblated] = Object.values(losses).map((sum) =>
    sum / tokens
  );
  return {
    tokens,
    clean,
    spliced,
    zeroAblated,
    meanAblated,
    degradation: spliced - clean,
    recoveredFromZero: (zeroAblated - spliced) / (zeroAblated - clean),
    recoveredFromMean: (meanAblated - spliced) / (meanAblated - clean),
    ...(leftOut > 0 ? { leftOut } : {}),
  };
}

/** Whether each activation is replaced: neither its position is skipped, nor is it massive. */
function replacedActivations(
  x: Matrix,
  positions: boolean[],
  limit: NormLimit | "none",
): boolean[] {
  const norms = rowNorms(x);
  return Array.from(
    norms,
    (norm, row) => positions[row % positions.length] && !isMassive(norm, limit),
  );
}

async function groupRows(
  tokenRows: AsyncIterable<Int32Array> | Iterable<Int32Array>,
  rowsPerRun: number,
): Promise<{ runs: { rows: number; data: Int32Array }[]; length: number }> {
  const all: Int32Array[] = [];
  for await (const row of tokenRows) all.push(row);
  if (all.length === 0) throw new RangeError("there were no token rows to evaluate on");
  const length = all[0].length;
  const other = all.findIndex((row) => row.length !== length);
  if (other >= 0) {
    throw new RangeError(`token row ${other} has ${all[other].length} tokens, the first ${length}`);
  }
  if (length < 2) throw new RangeError(`token rows have ${length} tokens, expected at least 2`);
  const runs = [];
  for (let first = 0; first < all.length; first += rowsPerRun) {
    const part = all.slice(first, first + rowsPerRun);
    const data = new Int32Array(part.length * length);
    part.forEach((row, r) => data.set(row, r * length));
    runs.push({ rows: part.length, data });
  }
  return { runs, length };
}

function replacedPositions(length: number, skip: readonly number[]): boolean[] {
  const replaced = Array.from({ length }, (_, position) => !skip.includes(position));
  // The last position predicts nothing that is measured.
  if (!replaced.slice(0, -1).includes(true)) {
    throw new RangeError(`skipPositions leaves nothing of ${length} positions to measure`);
  }
  return replaced;
}

/** The rows of x that are replaced. */
function gather(x: Matrix, replaced: boolean[]): Matrix {
  return withoutRows(x, [...replaced.keys()].filter((row) => !replaced[row]));
}

/** A copy of x whose replaced rows hold `value(index into the gathered rows)`. */
function scatter(x: Matrix, replaced: boolean[], value: (at: number) => number): Matrix {
  const data = x.data.slice();
  let at = 0;
  for (let row = 0; row < x.rows; row++) {
    if (!replaced[row]) continue;
    for (let c = 0; c < x.cols; c++) data[row * x.cols + c] = value(at++);
  }
  return { ...x, data };
}
