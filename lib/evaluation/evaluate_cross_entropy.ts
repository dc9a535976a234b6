import type { Gpu } from "../gpu/gpu.ts";
import type { Matrix } from "../matrix.ts";
import { checkCount } from "../sae/check.ts";
import { activationTransform, transformActivations } from "../sae/activation_transform.ts";
import { type InferenceOptions, openInference } from "../sae/inference.ts";
import type { Sae } from "../sae/sae.ts";
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
  /** spliced − clean (P10). */
  degradation: number;
  /** (zeroAblated − spliced) / (zeroAblated − clean), the first column of Table 2. */
  recoveredFromZero: number;
  /** (meanAblated − spliced) / (meanAblated − clean), the second column of Table 2. */
  recoveredFromMean: number;
}

/** Options of {@linkcode evaluateCrossEntropy}. */
export interface CrossEntropyOptions extends InferenceOptions {
  /**
   * Positions of a row that keep the model's own activations in every variant; predictions made there
   * are not measured. Default [0]: the beginning-of-sequence token.
   */
  skipPositions?: readonly number[];
  /** Token rows a call of the model (default 16). */
  rowsPerRun?: number;
  /** Called after each call of the model with the share of the work that is done. */
  onProgress?: (done: number) => void;
  /** Stops the evaluation; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Measures what splicing an SAE into a language model costs (P10, P11): its cross-entropy with the
 * hook's activations clean, reconstructed, zero-ablated and mean-ablated.
 *
 * Where `sae.metadata.activationTransform` is "center", the SAE reads centred activations, and their
 * means are added to its reconstructions.
 *
 * @param tokenRows Rows of tokens, all of one length L ≥ 2.
 * @throws {RangeError} There are no rows, they differ in length, or the SAE's width is not the hook's;
 * `rowsPerRun` is no whole number above 0.
 */
export async function evaluateCrossEntropy(
  gpu: Gpu,
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
  const replaced = replacedPositions(length, options.skipPositions ?? [0]);
  const transform = activationTransform(sae);
  using inference = openInference(gpu, sae, options);
  const losses = { clean: 0, spliced: 0, zeroAblated: 0, meanAblated: 0 };
  const sums = new Float64Array(sae.dModel);
  let tokens = 0;
  let samples = 0;
  let done = 0;
  const add = (name: keyof typeof losses, loss: Float32Array): number => {
    let counted = 0;
    for (let at = 0; at < loss.length; at++) {
      if (!replaced[at % (length - 1)]) continue;
      losses[name] += loss[at];
      counted++;
    }
    signal?.throwIfAborted();
    // Four losses a run: three in the first pass, the mean's in the second.
    options.onProgress?.(++done / (4 * runs.length));
    return counted;
  };

  for (const { rows, data } of runs) {
    const x = await model.activations(data, rows);
    const own = gather(x, replaced);
    // The error of a centred activation is that of the activation: the mean comes back with x − e.
    const read = transformActivations(own, transform);
    const { residual } = await inference.run(read, { residual: true });
    for (let at = 0; at < own.data.length; at++) sums[at % own.cols] += own.data[at];
    samples += own.rows;
    tokens += add("clean", await model.crossEntropy(data, rows, x));
    const spliced = scatter(x, replaced, (at) => own.data[at] - residual![at]);
    add("spliced", await model.crossEntropy(data, rows, spliced));
    add("zeroAblated", await model.crossEntropy(data, rows, scatter(x, replaced, () => 0)));
  }
  const mean = sums.map((sum) => sum / samples);
  for (const { rows, data } of runs) {
    const x = await model.activations(data, rows);
    const ablated = scatter(x, replaced, (at) => mean[at % x.cols]);
    add("meanAblated", await model.crossEntropy(data, rows, ablated));
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
  };
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

/** The rows of x at positions that are replaced. */
function gather(x: Matrix, replaced: boolean[]): Matrix {
  const kept = [];
  for (let row = 0; row < x.rows; row++) if (replaced[row % replaced.length]) kept.push(row);
  const data = new Float32Array(kept.length * x.cols);
  kept.forEach((row, to) =>
    data.set(x.data.subarray(row * x.cols, (row + 1) * x.cols), to * x.cols)
  );
  return { data, rows: kept.length, cols: x.cols };
}

/** A copy of x whose replaced rows hold `value(index into the gathered rows)`. */
function scatter(x: Matrix, replaced: boolean[], value: (at: number) => number): Matrix {
  const data = x.data.slice();
  let at = 0;
  for (let row = 0; row < x.rows; row++) {
    if (!replaced[row % replaced.length]) continue;
    for (let c = 0; c < x.cols; c++) data[row * x.cols + c] = value(at++);
  }
  return { ...x, data };
}
