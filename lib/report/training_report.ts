import type { CrossEntropyEvaluation } from "../evaluation/evaluate_cross_entropy.ts";
import type { Evaluation } from "../evaluation/evaluate_sae.ts";
import type { LatentExamples } from "../interpretation/top_examples.ts";
import type { StepRecord } from "../training/step_record.ts";
import type { TrainingWarning } from "../training/training_warnings.ts";
import { escapeHtml } from "./escape.ts";
import { formatNumber, formatSeconds, formatShare } from "../format_number.ts";
import { latentCard } from "./latent_card.ts";
import {
  figureGrid,
  headlineNumbers,
  page,
  type ReportAbout,
  section,
  settingsTable,
  table,
} from "./page.ts";
import {
  densityPlot,
  quartilesOf,
  sampleSparsityPlot,
  thresholdPlot,
  trainingPlots,
} from "./training_plots.ts";

/** What a report on a training run tells. */
export interface TrainingReport extends ReportAbout {
  /** Name of the run. */
  title: string;
  /** The language model: its id or folder, the hook, its number of layers. */
  model: { id: string; hook: string; layers: number };
  /** Shape of the SAE, and the threshold of each latent where it has any. */
  sae: {
    architecture: string;
    dictSize: number;
    k?: number;
    dModel: number;
    threshold?: Float32Array;
  };
  /** Records of the steps. */
  history: StepRecord[];
  /** What went wrong (see `trainingWarnings`). */
  warnings?: readonly TrainingWarning[];
  /** The trained SAE's reconstruction and sparsity. */
  evaluation: Evaluation;
  /** What splicing the SAE into the language model costs. */
  crossEntropy?: CrossEntropyEvaluation;
  /** Latents to show, with their contexts. */
  latents: LatentExamples[];
  /** Seconds that each phase took, by its name. */
  seconds?: Record<string, number>;
}

/**
 * Writes a report on a training run: one HTML page that needs nothing else. It asks nothing of the
 * network, runs no script, and follows the reader's choice of light or dark.
 */
export async function trainingReport(data: TrainingReport): Promise<string> {
  const { title, history, evaluation, crossEntropy, latents, settings, seconds = {} } = data;
  const { date, device, model, sae } = data;
  const durations = Object.entries(seconds).map(([phase, time]) => [phase, formatSeconds(time)]);
  const tables = settingsTable(settings) + table("Time", [], durations);
  const facts = [
    ...[`${model.id}, ${formatNumber(model.layers)} layers`, model.hook],
    `${sae.architecture} SAE, ${formatNumber(sae.dictSize)} latents on ` +
    `${formatNumber(sae.dModel)} dimensions` + (sae.k === undefined ? "" : `, k = ${sae.k}`) +
    describeThresholds(sae.threshold ?? []),
    ...[device, date],
  ];
  return page(title, facts, [
    section("Warnings", warningsList(data.warnings ?? [])),
    headline(data),
    section("Training", await figureGrid(trainingPlots(history))),
    section(
      "Sparsity",
      await figureGrid([
        sampleSparsityPlot(evaluation, sae.k),
        densityPlot(evaluation),
        ...thresholdPlot(sae.threshold ?? []),
      ]),
    ),
    section("Spliced into the language model", crossEntropy ? spliceTable(crossEntropy) : ""),
    section(
      "Latents",
      latents.length > 0 ? shadingLegend() : "",
      (await Promise.all(latents.map(latentCard))).join("\n"),
    ),
    section("Run", tables && `<div class="tables">\n${tables}\n</div>`),
  ]);
}

function describeThresholds(threshold: ArrayLike<number>): string {
  const quartiles = quartilesOf(threshold);
  const [low, , median, , high] = quartiles.map(formatNumber);
  if (isNaN(quartiles[0])) return "";
  return quartiles[0] === quartiles[4]
    ? `, threshold ${low}`
    : `, thresholds ${low} to ${high}, median ${median}`;
}

function warningsList(warnings: readonly TrainingWarning[]): string {
  const items = warnings.map(({ message, step }) =>
    `<li>${escapeHtml(`At step ${step} ${message}.`)}</li>`
  );
  return items.length > 0 ? `<ul>\n${items.join("\n")}\n</ul>` : "";
}

function headline({ evaluation, crossEntropy, sae }: TrainingReport): string {
  const { nmse, explainedVariance, mse, l0, deadLatents, samples } = evaluation;
  const numbers = [
    ["NMSE", formatNumber(nmse), `MSE (Σ over d) ${formatNumber(mse)}`],
    ["Explained variance", formatShare(explainedVariance), `${formatNumber(samples)} samples`],
    ["L0", formatNumber(l0), "active latents per sample"],
    [
      "Dead latents",
      formatNumber(deadLatents),
      `${formatShare(deadLatents / sae.dictSize)} of all`,
    ],
  ];
  const { all, leftOut } = evaluation;
  if (all) {
    const note = `with ${formatNumber(leftOut!)} massive of ${formatNumber(all.samples)}`;
    numbers.push(
      ["NMSE of all", formatNumber(all.nmse), note],
      ["L0 of all", formatNumber(all.l0), note],
    );
  }
  if (crossEntropy) {
    const { clean, spliced, zeroAblated, meanAblated, degradation } = crossEntropy;
    const { recoveredFromZero, recoveredFromMean } = crossEntropy;
    numbers.push(
      ["CE spliced", loss(spliced), `clean ${loss(clean)} nats per token`],
      ["CE degradation", formatNumber(Number(degradation.toPrecision(3))), "nats per token"],
      ["CE recovered", formatShare(recoveredFromZero), `zero ablation ${loss(zeroAblated)}`],
      ["CE recovered", formatShare(recoveredFromMean), `mean ablation ${loss(meanAblated)}`],
    );
  }
  return headlineNumbers(numbers);
}

function spliceTable(evaluation: CrossEntropyEvaluation): string {
  const { tokens, clean, spliced, zeroAblated, meanAblated } = evaluation;
  const row = (name: string, value: number, recovered = "") => [
    name,
    loss(value),
    loss(value - clean),
    recovered,
  ];
  return table(
    `Cross-entropy over ${formatNumber(tokens)} predictions, nats per token`,
    ["activations at the hook", "cross-entropy", "above clean", "recovered by the SAE"],
    [
      row("clean", clean),
      row("reconstructed by the SAE", spliced),
      row("replaced by their mean", meanAblated, formatShare(evaluation.recoveredFromMean)),
      row("replaced by zero", zeroAblated, formatShare(evaluation.recoveredFromZero)),
    ],
  );
}

function loss(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : formatNumber(value);
}

function shadingLegend(): string {
  const steps = [0.1, 0.4, 0.7, 1].map((strength) =>
    `<span style="--a:${strength}">${formatShare(strength)}</span>`
  );
  return `<p class="scale">The contexts in which each latent is most active, with its activation at ` +
    `the peak, which is underlined. Shading: share of the latent's largest activation ` +
    `${steps.join(" ")}</p>\n`;
}
