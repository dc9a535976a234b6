import { CONVERGED, lossChange } from "./loss_change.ts";
import type { Architecture } from "../sae/architectures/own_options.ts";
import { architectureOf } from "../sae/architectures/registry.ts";
import type { StepRecord } from "./step_record.ts";

/** Something that goes wrong in a training run. */
export interface TrainingWarning {
  /**
   * What: the reconstruction is worse than the batch's mean, most latents are dead, L0 is far from what was
   * asked, or the loss still falls at the end.
   */
  kind: "divergence" | "dead_latents" | "l0" | "not_converged";
  /** What was found, in numbers, and what to do. */
  message: string;
  /** The last step that was looked at. */
  step: number;
}

/** What {@linkcode trainingWarnings} must know of a run's options. */
export interface WarnedSettings {
  /** How latents are selected. */
  architecture: Architecture;
  /** Number of latents m. */
  dictSize: number;
  /** topk, batchtopk: active latents per sample. */
  k?: number;
  /** relu, jumprelu: active latents per sample to end with, where the run has a target. */
  targetL0?: number;
  /** Batches without activity after which a latent is dead. */
  deadAfter: number;
  /** Steps of the run, where known. */
  steps?: number;
  /** Steps at the end of the run over which the learning rate falls. */
  decaySteps?: number;
}

/** Records that count as recent: the noise of one batch is no warning. */
const RECENT = 20;

/**
 * Tells what goes wrong in a training run, from its records:
 * - divergence: the mean reconstruction loss of the last 20 steps is above the loss of the mean
 *   (`meanLoss`, of the last five records that have it), and did not fall by 2 % over the last 100 steps;
 *   at the end also where it still falls;
 * - dead_latents: more than half of the latents were dead in each of the last 20 steps, though the
 *   activations of `deadAfter` batches would be enough for twice the latents;
 * - l0: topk, batchtopk: fewer than 90 % of k are active; at the end, with `targetL0`: L0 is off by more
 *   than 5 %; relu, jumprelu: less than half a latent is active, or, at the end, more than half of all;
 * - not_converged, at the end: the loss still fell by more than 3 % from the second-to-last tenth of the
 *   steps to the last, those left out in which the learning rate falls (`lossChange`).
 *
 * A loss that is not finite is no warning: it ends the run.
 *
 * @param history Records of the run from its first step.
 * @param settings Its options.
 * @param ended Whether it has taken its last step: before, what only takes time is no warning.
 * @returns At most one of each kind; none for fewer than 20 steps.
 */
export function trainingWarnings(
  history: readonly StepRecord[],
  settings: WarnedSettings,
  ended: boolean,
): TrainingWarning[] {
  if (history.length < RECENT) return [];
  const step = history[history.length - 1].step;
  const found: Record<TrainingWarning["kind"], string | undefined> = {
    divergence: divergence(history, ended),
    dead_latents: deadLatents(history, settings),
    l0: wrongL0(history, settings, ended),
    not_converged: ended ? notConverged(history, settings) : undefined,
  };
  return (Object.keys(found) as TrainingWarning["kind"][])
    .flatMap((kind) => found[kind] === undefined ? [] : [{ kind, message: found[kind], step }]);
}

function divergence(history: readonly StepRecord[], ended: boolean): string | undefined {
  const means: number[] = [];
  for (let at = history.length - 1; at >= 0 && means.length < 5; at--) {
    const { meanLoss } = history[at];
    if (meanLoss !== undefined) means.push(meanLoss);
  }
  if (means.length === 0) return undefined;
  const ofMean = average(means, (each) => each);
  const loss = average(history.slice(-RECENT), ({ reconstructionLoss }) => reconstructionLoss);
  if (!(loss > ofMean)) return undefined;
  // What begins far away (a bias at zero, a rate that rises) may be on its way down.
  const before = history.slice(-100 - RECENT, -100);
  const falls = before.length < RECENT ||
    loss < 0.98 * average(before, ({ reconstructionLoss }) => reconstructionLoss);
  if (falls && !ended) return undefined;
  return `the reconstruction loss is ${digits(loss)}, above that of predicting the mean, ` +
    `${digits(ofMean)}: the SAE is worse than no SAE. ` +
    (falls
      ? "It still falls: more steps help, and a decoder bias that starts at the mean"
      : "A smaller learning rate helps, a weaker sparsity loss, inputs normalised to a common scale, " +
        "or a decoder bias that starts at the mean");
}

function deadLatents(
  history: readonly StepRecord[],
  { architecture, dictSize, k, targetL0, deadAfter }: WarnedSettings,
): string | undefined {
  const recent = history.slice(-RECENT);
  const dead = Math.min(...recent.map((record) => record.deadLatents));
  if (!(dead > dictSize / 2)) return undefined;
  const before = history.length > RECENT ? history[history.length - RECENT - 1].samples : 0;
  const rows = (recent[RECENT - 1].samples - before) / RECENT;
  // Of latents that cannot all have their turn in so few samples nothing can be said.
  const given = isTold(architecture) ? k! : targetL0 ?? 1;
  const expected = Math.max(given, average(recent, ({ l0 }) => l0));
  if (deadAfter * rows * expected < 2 * dictSize) return undefined;
  return `${dead} of ${dictSize} latents are dead, not active in the last ${deadAfter} batches. ` +
    (isTold(architecture)
      ? "A smaller learning rate helps, a larger auxiliary loss, a decoder bias that starts at the " +
        "mean, or fewer latents"
      : "A smaller learning rate helps, a weaker sparsity loss or one that rises slowly, a decoder " +
        "bias that starts at the mean, or fewer latents");
}

function wrongL0(
  history: readonly StepRecord[],
  { architecture, dictSize, k, targetL0 }: WarnedSettings,
  ended: boolean,
): string | undefined {
  const l0 = average(history.slice(-RECENT), (record) => record.l0);
  const found = `${digits(l0)} latents are active per sample`;
  if (isTold(architecture)) {
    if (!(l0 < 0.9 * k!)) return undefined;
    return `${found}, k is ${k}: too few pre-activations are positive. A smaller learning rate helps, ` +
      `or a smaller k`;
  }
  if (targetL0 !== undefined) {
    if (!ended || Math.abs(l0 / targetL0 - 1) <= 0.05) return undefined;
    return `${found}, ${targetL0} were asked for (target L0): more steps help, or a larger learning rate`;
  }
  const advice = "a target L0 in place of the sparsity coefficient finds it by itself";
  if (l0 < 0.5) return `${found}: the sparsity loss is too strong; ${advice}`;
  if (!ended || l0 <= dictSize / 2) return undefined;
  return `${found}, of ${dictSize}: the sparsity loss is too weak; ${advice}`;
}

function notConverged(
  history: readonly StepRecord[],
  settings: WarnedSettings,
): string | undefined {
  const change = lossChange(history, settings);
  if (change === undefined || change >= CONVERGED) return undefined;
  return `the loss still fell, by ${
    (-100 * change).toFixed(1)
  } % from the second-to-last tenth of the ` +
    `steps to the last: more steps would lower it further`;
}

/** Whether an architecture fixes how many latents are active. */
function isTold(architecture: Architecture): boolean {
  return architectureOf(architecture).k !== "none";
}

function average<T>(values: readonly T[], value: (of: T) => number): number {
  return values.reduce((sum, each) => sum + value(each), 0) / values.length;
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
