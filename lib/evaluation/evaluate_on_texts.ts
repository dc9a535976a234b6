import { readRepeatedly } from "../batches.ts";
import { streamActivations } from "../activations/stream_activations.ts";
import type { Device } from "../device/device.ts";
import type { LanguageModel } from "../language_model/open_language_model.ts";
import type { Texts } from "../language_model/text_pieces.ts";
import { packTokenRows } from "../language_model/token_rows.ts";
import type { Progress } from "../progress.ts";
import type { Selection } from "../sae/encoded.ts";
import type { NormLimit, NormLimitChoice } from "../sae/norm_limit.ts";
import type { Sae } from "../sae/sae.ts";
import { type CrossEntropyEvaluation, evaluateCrossEntropies } from "./evaluate_cross_entropy.ts";
import { evaluateSae, type Evaluation } from "./evaluate_sae.ts";
import { keepActivations } from "./keep_activations.ts";

/** Options of {@linkcode evaluateOnTexts}. */
export interface EvaluateOnTextsOptions {
  /** Tokens per row (default: 128, or the model's longest context if that is shorter). */
  contextLength?: number;
  /** Largest number of token rows (default 64). */
  maxRows?: number;
  /**
   * Whether rows begin with the BOS token (default: as the SAEs were trained, `metadata.prependBos`;
   * true where that is unknown).
   */
  prependBos?: boolean;
  /** Positions of a row that are skipped (default [0] where rows begin with BOS, else none). */
  skipPositions?: readonly number[];
  /** Which activations are excluded as massive, as in `streamActivations`. */
  normLimit?: NormLimitChoice;
  /** How active latents are selected (default: as at inference). */
  selection?: Selection;
  /** Stops the evaluation; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Called with the number of token rows in the phases "reconstruction" and "cross-entropy". */
  onProgress?: (progress: Progress) => void;
}

/** Result of {@linkcode evaluateOnTexts}. */
export interface TextEvaluation {
  /** The token rows of the measurement. */
  tokenRows: Int32Array[];
  /** Reconstruction and sparsity. */
  evaluation: Evaluation;
  /** Cross-entropy with the SAE spliced into the model. */
  crossEntropy: CrossEntropyEvaluation;
}

/**
 * Measures an SAE on documents: reconstruction, sparsity and cross-entropy. Massive activations are
 * excluded; where there are some, `evaluation.all` includes them.
 *
 * @param texts The documents: a list, or a function that gives them; they are read two or three times.
 * @throws {TypeError} The texts are a stream that can be read once only.
 * @throws {Error} The documents do not fill a row, the SAE's width is not the hook's, or the model fails.
 *
 * @example
 * ```ts ignore
 * const texts = () => readTexts("held-out.txt");
 * const { evaluation, crossEntropy } = await evaluateOnTexts(device, model, sae, texts);
 * ```
 */
export async function evaluateOnTexts(
  device: Device,
  model: LanguageModel,
  sae: Sae,
  texts: Texts,
  options: EvaluateOnTextsOptions = {},
): Promise<TextEvaluation> {
  return (await evaluateSaesOnTexts(device, model, [sae], texts, options))[0];
}

/**
 * {@linkcode evaluateOnTexts} for several SAEs on the same rows: clean and ablated cross-entropies are
 * computed once for all of them.
 *
 * @param texts The documents: a list, or a function that gives them; they are read two or three times
 * per SAE.
 * @returns One evaluation per SAE, in their order; each is the same as for that SAE alone.
 * @throws {RangeError} There are no SAEs, or some were trained with BOS and some without, and
 * `options.prependBos` is not given.
 * @throws {TypeError} The texts are a stream that can be read once only.
 * @throws {Error} As for one SAE.
 */
export async function evaluateSaesOnTexts(
  device: Device,
  model: LanguageModel,
  saes: readonly Sae[],
  texts: Texts,
  options: EvaluateOnTextsOptions = {},
): Promise<TextEvaluation[]> {
  if (saes.length === 0) throw new RangeError("there are no SAEs to evaluate");
  const { contextLength = Math.min(128, model.maxContext), maxRows = 64, selection } = options;
  const prependBos = options.prependBos ?? trainedWithBos(saes);
  const { skipPositions = prependBos ? [0] : [], signal, onProgress } = options;
  const read = readRepeatedly(texts, 3, "an evaluation", "texts");
  const tokenRows = await Array.fromAsync(
    packTokenRows(model, read, { contextLength, prependBos, maxRows }),
  );
  const total = tokenRows.length;
  const positions = contextLength - new Set(skipPositions).size;
  const kept = keepActivations(model);
  let leftOut = 0;
  let limit = "none" as NormLimit | "none";
  const measure = (sae: Sae, normLimit: NormLimitChoice | undefined) => {
    leftOut = 0;
    let rows = 0;
    onProgress?.({ phase: "reconstruction", done: 0, total });
    const batches = streamActivations(kept, read, {
      ...{ contextLength, prependBos },
      skipPositions: [...skipPositions],
      maxTokens: total * positions,
      keepLast: true,
      bufferRows: 2048,
      normLimit,
      onActivations(activations) {
        leftOut += activations.leftOut;
        rows += activations.rows;
        limit = activations.limit;
        onProgress?.({ phase: "reconstruction", done: Math.round(rows / positions), total });
      },
      signal,
    });
    return evaluateSae(device, sae, batches, { selection, normLimit: "none" });
  };
  const evaluations: Evaluation[] = [];
  // The limit is the same for every SAE: it depends on texts and options only.
  let found = limit;
  for (const sae of saes) {
    const evaluation = await measure(sae, options.normLimit);
    found = limit;
    if (leftOut > 0) {
      evaluation.leftOut = leftOut;
      const { samples, mse, nmse, explainedVariance, l0 } = await measure(sae, "none");
      evaluation.all = { samples, mse, nmse, explainedVariance, l0 };
    }
    evaluations.push(evaluation);
  }
  const crossEntropies = await evaluateCrossEntropies(device, kept, saes, tokenRows, {
    ...{ skipPositions, selection, signal, normLimit: found },
    onProgress: ({ phase, done, total: calls }) =>
      onProgress?.({ phase, done: Math.round(done / calls! * total), total }),
  });
  return evaluations.map((evaluation, i) => ({
    tokenRows,
    evaluation,
    crossEntropy: crossEntropies[i],
  }));
}

/** Whether rows of SAEs began with BOS in training. */
function trainedWithBos(saes: readonly Sae[]): boolean {
  const [first, ...others] = saes.map(({ metadata }) => metadata.prependBos !== false);
  const other = others.findIndex((one) => one !== first);
  if (other < 0) return first;
  throw new RangeError(
    `SAE ${other + 1} was trained on rows ${first ? "without" : "with"} BOS, the first on rows ` +
      `${first ? "with" : "without"} it: they are evaluated together with one prependBos`,
  );
}
