import type { Device } from "../device/device.ts";
import type { TokenRows } from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";
import type { Progress } from "../progress.ts";
import type { InferenceOptions } from "../sae/encoded.ts";
import { openInference } from "../sae/inference.ts";
import { chooseNormLimit, type NormLimitChoice } from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { readFirstParts } from "../sae/separate_massive.ts";
import type { StitchedSae } from "../sae/stitched_sae.ts";
import { checkWhole } from "../whole_number.ts";
import {
  fill,
  gather,
  groupRows,
  replacedActivations,
  replacedPositions,
  scatter,
} from "./spliced_rows.ts";

/** The part of a language model that {@linkcode evaluateCrossEntropy} uses; see `openLanguageModel`. */
export interface SplicedModel {
  /** Width of the hook's activations. */
  dModel: number;
  /** Activations at the hook: tokens [rows, L] → [rows · L, d]. */
  activations(tokens: Int32Array, rows: number): Promise<Matrix>;
  /**
   * Loss in nats of predicting each next token, [rows · (L − 1)], with the hook's activations replaced
   * by `replacement`, or unchanged.
   */
  crossEntropy(tokens: Int32Array, rows: number, replacement?: Matrix): Promise<Float32Array>;
  /**
   * The loss for each of several replacements, and the KL divergence of the predictions from those
   * without a replacement, in nats; `own` are the model's own activations.
   */
  spliceLosses(
    tokens: Int32Array,
    rows: number,
    replacements: Matrix[],
    own?: Matrix,
  ): Promise<{
    own: Float32Array;
    spliced: { loss: Float32Array; divergence: Float32Array }[];
  }>;
}

/** Cross-entropy of a language model with the hook's activations replaced, in nats per token. */
export interface CrossEntropyEvaluation {
  /** Number of predictions measured. */
  tokens: number;
  /** Loss of the unchanged model. */
  clean: number;
  /** Loss with the SAE's reconstructions. */
  spliced: number;
  /** Loss with activations replaced by zero. */
  zeroAblated: number;
  /** Loss with activations replaced by their mean. */
  meanAblated: number;
  /** spliced − clean. */
  degradation: number;
  /** (zeroAblated − spliced) / (zeroAblated − clean), the first column of Table 2. */
  recoveredFromZero: number;
  /** (meanAblated − spliced) / (meanAblated − clean), the second column of Table 2. */
  recoveredFromMean: number;
  /** Mean KL(clean ‖ spliced) of the predicted distributions; SAELens's and SAEBench's `kl_div_with_sae`. */
  klDivWithSae: number;
  /** Mean KL(clean ‖ zero-ablated); their `kl_div_with_ablation`. */
  klDivWithAblation: number;
  /** (klDivWithAblation − klDivWithSae) / klDivWithAblation; their `kl_div_score`. */
  klDivScore: number;
  /** Number of positions that kept a massive activation; absent if 0. */
  leftOut?: number;
}

/** Options of {@linkcode evaluateCrossEntropy}. */
export interface CrossEntropyOptions extends InferenceOptions {
  /**
   * Positions of a row that keep the model's own activations in every variant and whose predictions
   * are not measured. Default [0]: the BOS token.
   */
  skipPositions?: readonly number[];
  /**
   * Which activations are massive: they are kept and not measured, as at skipped positions. Default: those
   * that were excluded from the SAE's training (`metadata.normLimit`), or where that is unknown, those
   * above 10 times the median norm of the first 4,096 that are not skipped.
   */
  normLimit?: NormLimitChoice;
  /** Token rows per call of the model (default: those of 2,048 tokens). */
  rowsPerRun?: number;
  /** Called after each call of the model; a run of rows counts 4. */
  onProgress?: (progress: Progress) => void;
  /** Stops the evaluation; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Measures the cross-entropy of a language model with the hook's activations clean, replaced by an
 * SAE's reconstructions, zero-ablated and mean-ablated.
 *
 * @param tokenRows Rows of tokens, all of one length L ≥ 2.
 * @throws {RangeError} There are no rows, they differ in length, the SAE's width is not the hook's, or
 * `rowsPerRun` is not a whole number above 0.
 */
export async function evaluateCrossEntropy(
  device: Device,
  model: SplicedModel,
  sae: Sae | StitchedSae,
  tokenRows: TokenRows,
  options: CrossEntropyOptions = {},
): Promise<CrossEntropyEvaluation> {
  const [evaluation] = await evaluateCrossEntropies(device, model, [sae], tokenRows, options);
  return evaluation;
}

/**
 * {@linkcode evaluateCrossEntropy} for several SAEs on the same rows, in one pass: clean and ablated
 * losses are measured once for all of them.
 *
 * @returns One evaluation per SAE, in their order.
 * @throws {RangeError} As for one SAE; or there are no SAEs, or their limits for massive activations
 * differ and `options.normLimit` is not given.
 */
export async function evaluateCrossEntropies(
  device: Device,
  model: SplicedModel,
  saes: readonly (Sae | StitchedSae)[],
  tokenRows: TokenRows,
  options: CrossEntropyOptions = {},
): Promise<CrossEntropyEvaluation[]> {
  const choice = checkSaes(model, saes, options);
  const { signal } = options;
  const { runs, length } = await groupRows(tokenRows, options.rowsPerRun);
  const positions = replacedPositions(length, options.skipPositions ?? [0]);
  using opened = openAll(device, saes, options);
  const sums = new Float64Array(model.dModel);
  const totals = saes.map(() => ({ spliced: 0, divergence: 0 }));
  const shared = { clean: 0, zeroAblated: 0, meanAblated: 0, divergence: 0 };
  let [tokens, samples, leftOut] = [0, 0, 0];
  // The last position of each row has no loss.
  const sumOf = (loss: Float32Array, replaced: boolean[]): number =>
    loss.reduce(
      (sum, one, at) => replaced[at + Math.floor(at / (length - 1))] ? sum + one : sum,
      0,
    );
  let done = 0;
  // Of a run's work, a quarter is the mean ablation, which comes last.
  const step = (by: number): void => {
    signal?.throwIfAborted();
    options.onProgress?.({ phase: "cross-entropy", done: done += by, total: 4 * runs.length });
  };

  const read = (run: number) => model.activations(runs[run].data, runs[run].rows);
  const { limit, take } = await readFirstParts(
    choice,
    runs.length,
    read,
    (x) => gather(x, replacedActivations(x, positions, "none")),
  );
  // Per run, the mask of replaced activations and the kept ones: enough for mean ablation.
  const kept: { replaced: boolean[]; own: Matrix }[] = [];
  for (const [i, { rows, data }] of runs.entries()) {
    const x = await take(i);
    const replaced = replacedActivations(x, positions, limit);
    kept[i] = { replaced, own: gather(x, replaced.map((one) => !one)) };
    leftOut += replaced.filter((own, at) => !own && positions[at % length]).length;
    const own = gather(x, replaced);
    for (let at = 0; at < own.data.length; at++) sums[at % own.cols] += own.data[at];
    samples += own.rows;
    tokens += replaced.filter((one, at) => one && at % length < length - 1).length;
    const variants: Matrix[] = [];
    for (const one of opened.inferences) {
      const residual = await one(own);
      variants.push(scatter(x, replaced, (at) => own.data[at] - residual[at]));
    }
    variants.push(scatter(x, replaced, () => 0));
    const { own: clean, spliced } = await model.spliceLosses(data, rows, variants, x);
    const zero = spliced.pop()!;
    shared.clean += sumOf(clean, replaced);
    shared.zeroAblated += sumOf(zero.loss, replaced);
    shared.divergence += sumOf(zero.divergence, replaced);
    for (const [s, { loss, divergence }] of spliced.entries()) {
      totals[s].spliced += sumOf(loss, replaced);
      totals[s].divergence += sumOf(divergence, replaced);
    }
    step(3);
  }
  if (tokens === 0) {
    throw new RangeError(
      `all ${leftOut} activations are above the limit on norms, expected some below it to measure`,
    );
  }
  const mean = sums.map((sum) => sum / samples);
  for (const [i, { rows, data }] of runs.entries()) {
    const { replaced, own } = kept[i];
    const ablated = fill(replaced, own, mean);
    shared.meanAblated += sumOf(await model.crossEntropy(data, rows, ablated), replaced);
    step(1);
  }
  const perToken = (sum: number) => sum / tokens;
  const [clean, zeroAblated, meanAblated, klDivWithAblation] = [
    ...[shared.clean, shared.zeroAblated, shared.meanAblated, shared.divergence].map(perToken),
  ];
  return totals.map((total) => {
    const [spliced, klDivWithSae] = [total.spliced, total.divergence].map(perToken);
    return {
      tokens,
      clean,
      spliced,
      zeroAblated,
      meanAblated,
      degradation: spliced - clean,
      recoveredFromZero: (zeroAblated - spliced) / (zeroAblated - clean),
      recoveredFromMean: (meanAblated - spliced) / (meanAblated - clean),
      klDivWithSae,
      klDivWithAblation,
      klDivScore: (klDivWithAblation - klDivWithSae) / klDivWithAblation,
      ...(leftOut > 0 ? { leftOut } : {}),
    };
  });
}

/** Checks options and returns the limit for massive activations of all SAEs. */
function checkSaes(
  model: SplicedModel,
  saes: readonly (Sae | StitchedSae)[],
  { normLimit, rowsPerRun }: CrossEntropyOptions,
): NormLimitChoice {
  if (saes.length === 0) throw new RangeError("there are no SAEs to evaluate");
  const wrong = saes.find((sae) => sae.dModel !== model.dModel);
  if (wrong) {
    throw new RangeError(`the SAE's dModel is ${wrong.dModel}, the hook's is ${model.dModel}`);
  }
  if (rowsPerRun !== undefined) checkWhole(rowsPerRun, "rowsPerRun");
  const choices = saes.map((sae) => chooseNormLimit(normLimit, sae));
  const texts = choices.map((choice) => JSON.stringify(choice));
  const other = texts.findIndex((text) => text !== texts[0]);
  if (other < 0) return choices[0];
  throw new RangeError(
    `SAE ${other} excludes activations above ${texts[other]}, SAE 0 above ${texts[0]}, expected ` +
      `the same: give normLimit`,
  );
}

/** Opens the SAEs on the device, each as a function from activations x to residuals x − x̂. */
function openAll(
  device: Device,
  saes: readonly (Sae | StitchedSae)[],
  options: InferenceOptions,
): { inferences: ((own: Matrix) => Promise<Float32Array>)[] } & Disposable {
  const stack = new DisposableStack();
  try {
    const inferences = saes.map((sae) => {
      const inference = stack.use(openInference(device, sae, options));
      return async (own: Matrix) => (await inference.run(own, { residual: true })).residual!;
    });
    return { inferences, [Symbol.dispose]: () => stack.dispose() };
  } catch (error) {
    stack.dispose();
    throw error;
  }
}
