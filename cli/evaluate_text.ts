import {
  type CrossEntropyEvaluation,
  type Device,
  evaluateCrossEntropy,
  evaluateSae,
  type Evaluation,
  type LanguageModel,
  type NormLimit,
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
  /** Which activations are left out as massive. */
  normLimit: NormLimit | "none";
  /** How active latents are found. */
  selection?: Selection;
  /** Stops the evaluation. */
  signal?: AbortSignal;
}

/**
 * Measures an SAE on documents: reconstruction, sparsity and cross-entropy. Massive activations are left
 * out before the others are shuffled; where there are some, all are measured once more.
 */
export async function evaluateOnTexts(
  gpu: Device,
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
  const { contextLength, maxRows, skipPositions, normLimit, selection, signal } = options;
  const tokenRows = await Array.fromAsync(
    packTokenRows(model, texts(), { contextLength, maxRows }),
  );
  output.progress(`evaluating on ${tokenRows.length} rows of ${contextLength} tokens`);
  const kept = contextLength - new Set(skipPositions).size;
  let leftOut = 0;
  const measure = (normLimit: NormLimit | "none") => {
    leftOut = 0;
    const batches = streamActivations(model, texts(), {
      contextLength,
      skipPositions,
      maxTokens: tokenRows.length * kept,
      keepLast: true,
      bufferRows: 2048,
      normLimit,
      onActivations: (activations) => leftOut += activations.leftOut,
      signal,
    });
    return evaluateSae(gpu, sae, batches, { selection, normLimit: "none" });
  };
  const evaluation = await measure(normLimit);
  if (leftOut > 0) {
    evaluation.leftOut = leftOut;
    const { samples, mse, nmse, explainedVariance, l0 } = await measure("none");
    evaluation.all = { samples, mse, nmse, explainedVariance, l0 };
  }
  const crossEntropy = await evaluateCrossEntropy(gpu, model, sae, tokenRows, {
    skipPositions,
    normLimit,
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
  const { all } = evaluation;
  return formatTable([
    ["samples", String(evaluation.samples)],
    ["NMSE", evaluation.nmse.toFixed(4)],
    ["explained variance", percent(evaluation.explainedVariance)],
    ["MSE (Σ over d)", evaluation.mse.toPrecision(4)],
    ["L0", evaluation.l0.toFixed(2)],
    ...(all
      ? [
        ["left out as massive", `${evaluation.leftOut} of ${all.samples}`],
        ["NMSE of all", all.nmse.toFixed(4)],
        ["explained variance of all", percent(all.explainedVariance)],
        ["MSE of all (Σ over d)", all.mse.toPrecision(4)],
        ["L0 of all", all.l0.toFixed(2)],
      ] as [string, string][]
      : []),
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
