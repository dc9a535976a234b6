import type { Evaluation } from "../evaluation/evaluate_sae.ts";
import type { StepRecord } from "../training/options.ts";
import { barPlot } from "./bar_plot.ts";
import { binCounts, logBins } from "./bins.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "./format_number.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";

/** The curves of a training run: loss, L0, dead latents, smallest activation kept. */
export function trainingPlots(history: readonly StepRecord[]): Promise<Figure>[] {
  const steps = history.map(({ step }) => step);
  const curve = (label: string, name: keyof StepRecord): LineSeries => ({
    label,
    x: steps,
    y: history.map((record) => record[name] ?? 0),
  });
  const losses = [
    { ...curve("total", "loss"), broad: true },
    curve("reconstruction", "reconstructionLoss"),
  ];
  const added = (["auxiliary", "sparsity"] as const).filter((name) =>
    history.some((record) => record[`${name}Loss`] > 0)
  );
  for (const name of added) losses.push(curve(name, `${name}Loss`));
  // Where nothing is added throughout, the total is the reconstruction's.
  if (added.length === 0) losses.shift();
  const plot = (series: LineSeries[], name: string, title: string, yLabel: string, logY = false) =>
    linePlot(series, {
      ...{ name, title },
      description: `Over ${formatNumber(history.length)} training steps.`,
      xLabel: "step",
      yLabel,
      logY,
    });
  const lossTitle = losses.length === 1 ? "Reconstruction loss" : "Loss";
  return [
    plot(losses, "loss", lossTitle, "loss, mean over samples and d", spansDecade(losses[0].y)),
    plot([curve("L0", "l0")], "l0", "Active latents per sample (L0)", "latents"),
    plot([curve("dead latents", "deadLatents")], "dead_latents", "Dead latents", "latents"),
    plot(
      [curve("smallest kept", "smallestKept")],
      "smallest_kept",
      "Smallest activation kept",
      "activation",
    ),
    ...(history.some(({ sparsityCoefficient: lambda }) => lambda !== history[0].sparsityCoefficient)
      ? [plot([curve("λ", "sparsityCoefficient")], "lambda", "Sparsity coefficient λ", "λ", true)]
      : []),
    ...(history[0]?.meanThreshold === undefined
      ? []
      : [plot([curve("θ", "meanThreshold")], "mean_threshold", "Mean threshold", "activation")]),
  ];
}

/** How many latents are active in a sample (Fig. 9). */
export function sampleSparsityPlot(
  { l0, l0Histogram, samples }: Evaluation,
  k?: number,
): Promise<Figure> {
  return barPlot(binCounts(l0Histogram, 60), {
    name: "sample_l0",
    title: "L0 of single samples",
    description: `Active latents in each of ${formatNumber(samples)} samples, ` +
      `${formatNumber(l0)} on average` + (k === undefined ? "." : `; k is ${k}.`),
    xLabel: "active latents",
    yLabel: "samples",
    mark: { x: l0, label: `mean ${formatNumber(Number(l0.toPrecision(3)))}` },
  });
}

/** How often latents are active. */
export function densityPlot({ density, deadLatents }: Evaluation): Promise<Figure> {
  const never = deadLatents > 0 ? ` (${formatNumber(deadLatents)} are active in none)` : "";
  return barPlot(logBins(density, 5), {
    name: "density",
    title: "Density of latents",
    description: `Share of samples in which each latent is active${never}.`,
    xLabel: `share of samples in which active${never}`,
    yLabel: "latents",
    logX: true,
  });
}

function spansDecade(values: ArrayLike<number>): boolean {
  let [low, high] = [Infinity, 0];
  for (const value of Array.from(values)) {
    if (!(value > 0 && value < Infinity)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high > 10 * low;
}
