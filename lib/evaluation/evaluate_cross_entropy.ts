import type { Device } from "../device/device.ts";
import type { TokenRows } from "../language_model/token_rows.ts";
import type { Matrix } from "../matrix.ts";
import type { Progress } from "../progress.ts";
import { type InferenceOptions, openInference } from "../sae/inference.ts";
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
  /**
   * The same with each of several replacements, the model's own activations being `own`, and the
   * divergence of the predictions from those without a replacement, in nats.
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
  /** Mean KL(clean ‖ spliced) of the predicted distributions; SAELens's and SAEBench's `kl_div_with_sae`. */
  klDivWithSae: number;
  /** Mean KL(clean ‖ zero-ablated); their `kl_div_with_ablation`. */
  klDivWithAblation: number;
  /** (klDivWithAblation − klDivWithSae) / klDivWithAblation; their `kl_div_score`. */
  klDivScore: number;
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
  /** Token rows per call of the model (default: 2,048 tokens, as {@linkcode defaultRowsPerRun} has it). */
  rowsPerRun?: number;
  /** Called after each call of the model, in fourths of the work of a run. */
  onProgress?: (progress: Progress) => void;
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
  tokenRows: TokenRows,
  options: CrossEntropyOptions = {},
): Promise<CrossEntropyEvaluation> {
  const [evaluation] = await evaluateCrossEntropies(device, model, [sae], tokenRows, options);
  return evaluation;
}

/**
 * {@linkcode evaluateCrossEntropy} of several SAEs on the same rows, in one pass: what is clean or
 * ablated is measured once for all of them.
 *
 * @returns One evaluation per SAE, in their order.
 * @throws {RangeError} As for one SAE; there are no SAEs, or they leave out different activations and
 * `options.normLimit` does not say which.
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
  // A row of ablated activations takes a fraction of the time that its reconstruction takes.
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
  // Of each run which activations are replaced, and those that are not: all that ablation needs.
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
      `${leftOut} activations are above the limit on norms, no prediction is left to measure`,
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

/** What is massive for all of them. */
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
    `SAE ${other} leaves out what is above ${texts[other]}, the first ${texts[0]}: they are ` +
      `evaluated together with one normLimit`,
  );
}

/** The SAEs on the device, each as a function from activations to x − x̂. */
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
