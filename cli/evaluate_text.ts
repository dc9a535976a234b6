import {
  type CrossEntropyEvaluation,
  evaluateCrossEntropy,
  evaluateSae,
  type Evaluation,
  type Gpu,
  type LanguageModel,
  packTokenRows,
  type Sae,
  type Selection,
  streamActivations,
  type TextDocument,
} from "../mod.ts";
import { formatTable, type Output } from "./output.ts";

/** What of a text an SAE is measured on, and how. */
export interface TextEvaluationOptions {
  /** Tokens a row. */
  contextLength: number;
  /** Most token rows. */
  maxRows: number;
  /** Positions left out. */
  skipPositions: number[];
  /** How active latents are found. */
  selection?: Selection;
  /** Stops the evaluation. */
  signal?: AbortSignal;
}

/** Measures an SAE on documents: reconstruction, sparsity and cross-entropy. */
export async function evaluateOnTexts(
  gpu: Gpu,
  model: LanguageModel,
  sae: Sae,
  texts: () => AsyncIterable<TextDocument>,
  options: TextEvaluationOptions,
  output: Output,
): Promise<{
  tokenRows: Int32Array[];
  evaluation: Evaluation;
  crossEntropy: CrossEntropyEvaluation;
}> {
  const { contextLength, maxRows, skipPositions, selection, signal } = options;
  const tokenRows = await Array.fromAsync(
    packTokenRows(model, texts(), { contextLength, maxRows }),
  );
  output.progress(`evaluating on ${tokenRows.length} rows of ${contextLength} tokens`);
  const kept = contextLength - new Set(skipPositions).size;
  const batches = streamActivations(model, texts(), {
    contextLength,
    skipPositions,
    maxTokens: tokenRows.length * kept,
    keepLast: true,
    bufferRows: 2048,
    signal,
  });
  const evaluation = await evaluateSae(gpu, sae, batches, { selection });
  const crossEntropy = await evaluateCrossEntropy(gpu, model, sae, tokenRows, {
    skipPositions,
    selection,
    signal,
    onProgress: (done) => output.progress(`cross-entropy ${Math.round(done * 100)} %`),
  });
  return { tokenRows, evaluation, crossEntropy };
}

/** The measures as a table for people. */
export function evaluationTable(
  evaluation: Evaluation,
  crossEntropy: CrossEntropyEvaluation,
  dictSize: number,
): string {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const nats = (value: number) => value.toFixed(4);
  const ce = crossEntropy;
  return formatTable([
    ["samples", String(evaluation.samples)],
    ["NMSE", evaluation.nmse.toFixed(4)],
    ["explained variance", percent(evaluation.explainedVariance)],
    ["MSE (Σ over d)", evaluation.mse.toPrecision(4)],
    ["L0", evaluation.l0.toFixed(2)],
    ["latents never active", `${evaluation.deadLatents} of ${dictSize}`],
    ["cross-entropy, clean", nats(ce.clean)],
    ["cross-entropy, spliced", nats(ce.spliced)],
    ["cross-entropy, zero-ablated", nats(ce.zeroAblated)],
    ["cross-entropy, mean-ablated", nats(ce.meanAblated)],
    ["degradation (nats a token)", nats(ce.degradation)],
    ["recovered, from zero", percent(ce.recoveredFromZero)],
    ["recovered, from mean", percent(ce.recoveredFromMean)],
  ]);
}

/** An evaluation without its long arrays. */
export function summary(evaluation: Evaluation): Omit<Evaluation, "density" | "l0Histogram"> {
  const { density: _, l0Histogram: __, ...rest } = evaluation;
  return rest;
}
