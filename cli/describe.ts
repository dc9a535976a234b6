import type { Claim } from "../lib/claims/mod.ts";
import type { CrossEntropyEvaluation, Evaluation, Progress, Sae, StepRecord } from "../mod.ts";
import type { SweepProgress } from "../lib/sweep/mod.ts";
import type { TrainingProgress, TrainingWarning } from "../lib/training/mod.ts";
import type { ActivationSource, LeftOut } from "../lib/activations/activation_source.ts";
import type { NormLimit } from "../lib/sae/norm_limit.ts";
import { formatSeconds } from "../lib/format_number.ts";
import { formatTable, type Output } from "./output.ts";

/** A claim of the paper for people: whether it holds, and below it what this run found. */
export function describeClaim({ claim, found, holds, why }: Claim): string {
  const verdict = holds === undefined ? "?" : holds ? "yes" : "no";
  const reason = why === undefined ? "" : `\n      Not decided: ${why}.`;
  return `  ${verdict.padEnd(4)}${claim}\n      ${found}${reason}`;
}

/** A limit in words: "above 10 times the median norm, 152.3". */
export function describeLimit({ multiple, medianNorm }: NormLimit): string {
  return `above ${multiple} times the median norm, ${Number(medianNorm.toPrecision(4))}`;
}

/** How many activations were excluded; undefined where none were. */
export function describeLeftOut(
  limit: NormLimit | "none",
  { rows, leftOut }: LeftOut,
): string | undefined {
  if (limit === "none" || leftOut === 0) return undefined;
  return `${leftOut} of ${rows} activations excluded as massive (${describeLimit(limit)})`;
}

/** The model and the hook of an SAE, as far as its metadata has them. */
export function describeSource({ metadata: { model, hook } }: Sae): string | undefined {
  const known = [model, hook].filter((name) => typeof name === "string");
  return known.length > 0 ? known.join(" at ") : undefined;
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
        ["excluded as massive", `${evaluation.leftOut} of ${all.samples}`],
        ["NMSE of all", all.nmse.toFixed(4)],
        ["explained variance of all", percent(all.explainedVariance)],
        ["MSE of all (Σ over d)", all.mse.toPrecision(4)],
        ["L0 of all", all.l0.toFixed(2)],
      ] as [string, string][]
      : []),
    ["L2 ratio (‖x̂‖ / ‖x‖)", evaluation.l2Ratio.toFixed(4)],
    ["relative reconstruction bias", evaluation.relativeReconstructionBias.toFixed(4)],
    ["cosine similarity", evaluation.cossim.toFixed(4)],
    ["latents never active", `${evaluation.deadLatents} of ${dictSize}`],
    ["cross-entropy, clean", nats(ce.clean)],
    ["cross-entropy, spliced", nats(ce.spliced)],
    ["cross-entropy, zero-ablated", nats(ce.zeroAblated)],
    ["cross-entropy, mean-ablated", nats(ce.meanAblated)],
    ["degradation (nats per token)", nats(ce.degradation)],
    ["recovered, from zero", percent(ce.recoveredFromZero)],
    ["recovered, from mean", percent(ce.recoveredFromMean)],
    ["KL divergence, spliced", nats(ce.klDivWithSae)],
    ["KL divergence, zero-ablated", nats(ce.klDivWithAblation)],
    ["KL score", percent(ce.klDivScore)],
  ]);
}

/** An evaluation without its long arrays. */
export function shortEvaluation(
  evaluation: Evaluation,
): Omit<Evaluation, "density" | "l0Histogram"> {
  const { density: _, l0Histogram: __, ...rest } = evaluation;
  return rest;
}

/** Shows the progress of an evaluation, as `onProgress`. */
export function evaluationProgress(
  output: Output,
  what = "",
): (progress: Progress) => void {
  return ({ phase, done, total }) =>
    output.progress({ phase: `${what}${phase}`, done, total }, {
      details: `${done} of ${total} rows of tokens`,
    });
}

/** Shows the progress of a search for contexts of latents in so many rows of tokens, as `onProgress`. */
export function contextsProgress(output: Output, total: number): (progress: Progress) => void {
  return ({ done }) =>
    output.progress({ phase: "contexts of latents", done, total }, {
      details: `${done} of ${total} rows of tokens`,
    });
}

/** A training's last step, for people.
 *
 * @param first The last record of the checkpoint that the run continued from.
 */
export function describeTraining(
  last: StepRecord,
  steps: number | undefined,
  started: number,
  dictSize: number,
  first: StepRecord | undefined,
): string {
  const seconds = (performance.now() - started) / 1000;
  const rate = Math.round((last.samples - (first?.samples ?? 0)) / seconds);
  return [
    `step ${last.step}${steps ? ` of ${steps}` : ""}`,
    `loss ${last.loss.toPrecision(4)}`,
    `L0 ${last.l0.toFixed(1)}`,
    `dead ${(100 * last.deadLatents / dictSize).toFixed(1)} %`,
    `${rate} tokens/s`,
  ].join("  ");
}

/** Shows the progress of the training runs of a study with meta-SAEs, as its `onProgress`. */
export function metaProgress(
  dictSize: number,
  output: Output,
): (progress: TrainingProgress) => void {
  return ({ phase, done, total, records }) => {
    const last = records[records.length - 1];
    const details = [
      `step ${done} of ${total}`,
      `loss ${last.loss.toPrecision(4)}`,
      `L0 ${last.l0.toFixed(1)}`,
      `dead ${(100 * last.deadLatents / dictSize).toFixed(1)} %`,
    ].join("  ");
    output.progress({ phase: `training ${phase}`, done, total }, {
      details,
      data: { training: phase, ...last },
    });
  };
}

/** Names of SAEs that are done. */
export interface SweepDone {
  trained: Set<string>;
  measured: Set<string>;
}

/** Shows the progress of a sweep, and records what is done. */
export function sweepProgress(
  source: ActivationSource,
  missing: number,
  done: SweepDone,
  output: Output,
): (progress: SweepProgress) => void {
  return (at) => {
    if (at.phase === "measuring") {
      output.progress({ phase: "measuring SAEs", done: at.done, total: at.total }, {
        details: `${at.done} of ${at.total}, now ${at.saes.join(", ")}`,
      });
      return;
    }
    if (at.phase === "measured") {
      const { sae, row: { nmse, l0 } } = at;
      done.measured.add(sae);
      output.progress({ phase: "measuring SAEs", done: at.done, total: at.total }, {
        details: `${at.done} of ${at.total}`,
        data: { sae, nmse, l0 },
      });
      return;
    }
    const { group, groups, saes } = at;
    const which = groups > 1 ? `group ${group} of ${groups}, ` : "";
    if (at.phase === "start") {
      if (group === 1 && groups > 1) {
        output.say(
          `${missing} SAEs are trained in ${groups} groups, the activations are made or read once ` +
            `for each`,
        );
      }
      if (at.resumed.length === 0) return;
      const steps = [...new Set(at.resumed)].join(", ");
      output.say(`${which}${at.resumed.length} SAEs continue after step ${steps}`);
    } else if (at.phase === "training") {
      const { sae, total, samplesPerSecond } = at;
      const record = at.records.at(-1)!;
      output.progress(
        { phase: `${which}training of ${saes.length} SAEs`, done: record.step, total },
        {
          details: `step ${record.step}${total ? ` of ${total}` : ""}  ` +
            `${Math.round(samplesPerSecond)} tokens/s  ` +
            `${sae}: loss ${record.loss.toPrecision(4)}, L0 ${record.l0.toFixed(1)}`,
          data: { sae, ...record },
        },
      );
    } else {
      for (const sae of saes) done.trained.add(sae);
      output.say(`${which}${saes.length} SAEs trained in ${formatSeconds(at.seconds)}`);
      const left = describeLeftOut(source.normLimit, source.leftOut());
      if (left) output.say(`${which}${left}`);
    }
  };
}
