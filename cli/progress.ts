import type { DownloadProgress, EvaluationProgress, StepRecord, SweepProgress } from "../mod.ts";
import type { ActivationSource } from "./activation_source.ts";
import type { MetaTraining } from "./meta_training.ts";
import { describeLeftOut } from "./norm_limit.ts";
import { formatSeconds, type Output } from "./output.ts";

/** Shows how far downloads from the hub are, as their `onProgress`. */
export function downloadProgress(output: Output): (progress: DownloadProgress) => void {
  return ({ file, loaded, total }) => {
    const whole = total > 0 ? ` of ${mebibytes(total)}` : "";
    output.progress(`${file}: ${mebibytes(loaded)}${whole}`, { file, loaded, total });
  };
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Tells how far an evaluation is, as `onProgress`. */
export function evaluationProgress(
  output: Output,
  what = "",
): (progress: EvaluationProgress) => void {
  return ({ phase, done, total }) =>
    output.progress(`${what}${phase}, ${done} of ${total} rows of tokens`);
}

/** A training's last step, for people.
 *
 * @param first The last record of the checkpoint that the run went on from.
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
  const pace = seconds / (last.step - (first?.step ?? 0));
  const left = steps ? formatSeconds(pace * (steps - last.step)) : undefined;
  return [
    `step ${last.step}${steps ? ` of ${steps}` : ""}`,
    `loss ${last.loss.toPrecision(4)}`,
    `L0 ${last.l0.toFixed(1)}`,
    `dead ${(100 * last.deadLatents / dictSize).toFixed(1)} %`,
    `${rate} tokens/s`,
    ...(left ? [`${left} left`] : []),
  ].join("  ");
}

/** Tells how far a training is, as `onProgress`. */
export function metaProgress(
  what: string,
  { steps, dictSize }: MetaTraining,
  output: Output,
): (records: StepRecord[]) => void {
  return (records) => {
    const last = records[records.length - 1];
    const text = [
      `${what}: step ${last.step} of ${steps}`,
      `loss ${last.loss.toPrecision(4)}`,
      `L0 ${last.l0.toFixed(1)}`,
      `dead ${(100 * last.deadLatents / dictSize).toFixed(1)} %`,
    ].join("  ");
    output.progress(text, { training: what, ...last });
  };
}

/** Names of SAEs that are done. */
export interface SweepDone {
  trained: Set<string>;
  measured: Set<string>;
}

/** Tells how far a sweep is, and notes what is done. */
export function sweepProgress(
  source: ActivationSource,
  missing: number,
  done: SweepDone,
  output: Output,
): (progress: SweepProgress) => void {
  return (at) => {
    if (at.phase === "measuring") {
      output.progress(`measuring SAE ${at.done + 1} of ${at.total}, ${at.sae}`);
      return;
    }
    if (at.phase === "measured") {
      const { sae, row: { nmse, l0 } } = at;
      done.measured.add(sae);
      output.progress(`${sae}: measured`, { sae, nmse, l0 });
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
      output.say(`${which}${at.resumed.length} SAEs go on after step ${steps}`);
    } else if (at.phase === "training") {
      const { sae, record, total, samplesPerSecond } = at;
      output.progress(
        `${which}${saes.length} SAEs, step ${record.step}${total ? ` of ${total}` : ""}  ` +
          `${Math.round(samplesPerSecond)} tokens/s  ` +
          `${sae}: loss ${record.loss.toPrecision(4)}, L0 ${record.l0.toFixed(1)}`,
        { sae, ...record },
      );
    } else {
      for (const sae of saes) done.trained.add(sae);
      output.say(`${which}${saes.length} SAEs trained in ${formatSeconds(at.seconds)}`);
      const left = describeLeftOut(source.normLimit, source.leftOut());
      if (left) output.say(`${which}${left}`);
    }
  };
}
