import type { Claim, CrossEntropyEvaluation, Evaluation, TrainingWarning } from "../mod.ts";
import { formatTable } from "./output.ts";

/** A claim of the paper for people: whether it holds, and below it what this run found. */
export function describeClaim({ claim, found, holds, why }: Claim): string {
  const verdict = holds === undefined ? "?" : holds ? "yes" : "no";
  const reason = why === undefined ? "" : `\n      Not decided: ${why}.`;
  return `  ${verdict.padEnd(4)}${claim}\n      ${found}${reason}`;
}

/** A warning for people. */
export function describeWarning({ message, step }: TrainingWarning): string {
  return `at step ${step} ${message}`;
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
    ["degradation (nats per token)", nats(ce.degradation)],
    ["recovered, from zero", percent(ce.recoveredFromZero)],
    ["recovered, from mean", percent(ce.recoveredFromMean)],
  ]);
}

/** An evaluation without its long arrays. */
export function shortEvaluation(
  evaluation: Evaluation,
): Omit<Evaluation, "density" | "l0Histogram"> {
  const { density: _, l0Histogram: __, ...rest } = evaluation;
  return rest;
}
