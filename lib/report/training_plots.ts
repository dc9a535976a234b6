import type { Evaluation } from "../evaluation/evaluate_sae.ts";
import type { StepRecord } from "../training/step_record.ts";
import { barPlot, binCounts, linearBins, logBins } from "./bar_plot.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "../format_number.ts";
import { linePlot, type LineSeries } from "./line_plot.ts";
import { extent } from "./ticks.ts";

/** The curves of a training run: loss, L0, dead latents, smallest activation kept. */
export function trainingPlots(history: readonly StepRecord[]): Promise<Figure>[] {
  const curve = (label: string, name: keyof StepRecord): LineSeries => ({
    label,
    x: history.map(({ step }) => step),
    y: history.map((record) => record[name] ?? 0),
  });
  const plot = (series: LineSeries[], name: string, title: string, yLabel: string, logY = false) =>
    linePlot(series, {
      ...{ name, title, xLabel: "step", yLabel, logY },
      description: `Over ${formatNumber(history.length)} training steps.`,
    });
  const added = (["auxiliary", "sparsity"] as const)
    .filter((name) => history.some((record) => record[`${name}Loss`] > 0))
    .map((name) => curve(name, `${name}Loss`));
  const reconstruction = curve("reconstruction", "reconstructionLoss");
  // Where nothing is added throughout, the total is the reconstruction's.
  const losses = added.length === 0
    ? [reconstruction]
    : [{ ...curve("total", "loss"), broad: true }, reconstruction, ...added];
  const total = Array.from(losses[0].y).filter((loss) => loss > 0 && loss < Infinity);
  const [least, most] = extent(total);
  const lossTitle = losses.length === 1 ? "Reconstruction loss" : "Loss";
  return [
    plot(losses, "loss", lossTitle, "loss, mean over samples and d", most > 10 * least),
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

/**
 * Quartiles of values, straight between the two next to a place: the smallest value, those below which a
 * quarter, half and three quarters of the values are, and the largest. NaN where there is none.
 */
export function quartilesOf(values: ArrayLike<number>): number[] {
  const sorted = Float64Array.from(values).sort();
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
    return low + (place % 1) * (high - low);
  });
}

/** How the thresholds θ of JumpReLU's latents are spread; nothing where all have the same. */
export function thresholdPlot(threshold: ArrayLike<number>): Promise<Figure>[] {
  const quartiles = quartilesOf(threshold);
  const [low, first, median, third, high] = quartiles.map(formatNumber);
  if (!(quartiles[0] < quartiles[4])) return [];
  return [barPlot(linearBins(threshold, 30), {
    name: "thresholds",
    title: "Thresholds of latents",
    description:
      `The threshold of each of ${formatNumber(threshold.length)} latents: from ${low} ` +
      `to ${high}, quartiles ${first}, ${median} and ${third}.`,
    xLabel: `threshold; quartiles ${first}, ${median} and ${third}`,
    yLabel: "latents",
    mark: { x: quartiles[2], label: `median ${median}` },
  })];
}
