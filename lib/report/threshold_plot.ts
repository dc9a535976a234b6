import { barPlot } from "./bar_plot.ts";
import type { Figure } from "./figure.ts";
import { linearBins } from "./bins.ts";
import { formatNumber } from "./format_number.ts";

/** Five numbers of a distribution; NaN where there is none. */
export interface Quartiles {
  /** The smallest value. */
  min: number;
  /** A quarter of the values are below it. */
  lower: number;
  /** Half of the values are below it. */
  median: number;
  /** Three quarters of the values are below it. */
  upper: number;
  /** The largest value. */
  max: number;
}

/** Quartiles of values, straight between the two next to a place. */
export function quartilesOf(values: ArrayLike<number>): Quartiles {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)] ?? NaN, sorted[Math.ceil(place)] ?? NaN];
    return low + (place % 1) * (high - low);
  };
  return { min: at(0), lower: at(0.25), median: at(0.5), upper: at(0.75), max: at(1) };
}

/** How the thresholds θ of JumpReLU's latents are spread; nothing where all have the same. */
export function thresholdPlot(threshold: ArrayLike<number>): Promise<Figure>[] {
  const { min, lower, median, upper, max } = quartilesOf(threshold);
  if (!(min < max)) return [];
  const [low, first, middle, third, high] = [min, lower, median, upper, max].map(formatNumber);
  return [barPlot(linearBins(threshold, 30), {
    name: "thresholds",
    title: "Thresholds of latents",
    description:
      `The threshold of each of ${formatNumber(threshold.length)} latents: from ${low} ` +
      `to ${high}, quartiles ${first}, ${middle} and ${third}.`,
    xLabel: `threshold; quartiles ${first}, ${middle} and ${third}`,
    yLabel: "latents",
    mark: { x: median, label: `median ${middle}` },
  })];
}
