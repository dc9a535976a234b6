import { type Figure, figure, type FigureWords, pointOut } from "./figure.ts";
import { formatNumber } from "../format_number.ts";
import { colour } from "./legend.ts";
import { logTicks } from "./ticks.ts";

/** Counts of values between edges. */
export interface Bins {
  /** Ascending edges, one more than there are bins. */
  edges: ArrayLike<number>;
  /** counts[b] values lie between edges[b] and edges[b + 1]. */
  counts: ArrayLike<number>;
}

/** Bins of one width, from `low` on. */
export function evenBins(counts: ArrayLike<number>, width: number, low = 0): Bins {
  return { edges: Array.from({ length: counts.length + 1 }, (_, b) => low + b * width), counts };
}

/** Options of {@linkcode barPlot}. */
export interface BarPlotOptions extends FigureWords {
  /** Name and unit of the horizontal axis. */
  xLabel?: string;
  /** What is counted. */
  yLabel?: string;
  /** Whether the horizontal axis is logarithmic (default false); edges are above zero then. */
  logX?: boolean;
  /** A value to point out, with its name. */
  mark?: { x: number; label: string };
}

/**
 * Draws a histogram; each bar says its numbers when it is pointed at.
 *
 * @throws {RangeError} There is not one edge more than there are counts.
 */
export async function barPlot(bins: Bins, options: BarPlotOptions): Promise<Figure> {
  const { logX = false, mark } = options;
  const [edges, counts] = [Array.from(bins.edges), Array.from(bins.counts)];
  if (edges.length !== counts.length + 1 && counts.length > 0) {
    throw new RangeError(
      `there are ${edges.length} edges and ${counts.length} counts, expected one edge more`,
    );
  }
  const bars = counts.map((count, b) => ({ low: edges[b], high: edges[b + 1], count }))
    .filter(({ count }) => count > 0);
  const domain: [number, number] = [edges[0], edges.at(-1)!];
  return await figure({
    ...options,
    x: {
      ...{ label: options.xLabel, domain },
      ...(logX ? { type: "log", ticks: logTicks(...domain) } : {}),
    },
    y: { label: options.yLabel, nice: true },
    marks: (plot) =>
      bars.length === 0 ? [] : [
        plot.rectY(bars, {
          ...{ x1: "low", x2: "high", y: "count", fill: colour(0), insetLeft: 0.5 },
          ...{ insetRight: 0.5 },
          title: ({ low, high, count }) =>
            `${formatNumber(low)} to ${formatNumber(high)}: ${formatNumber(count)}`,
        }),
        plot.ruleY([0], { strokeOpacity: 0.5 }),
        ...(mark && mark.x >= domain[0] && mark.x <= domain[1]
          ? pointOut(plot, mark, domain, logX)
          : []),
      ],
  });
}

/**
 * Bins a histogram of whole numbers: empty ends are cut off to two places, and neighbours are put
 * together where there are more than `most`. Edges lie half-way between whole numbers.
 *
 * @param histogram histogram[a] things have the value a, as in `Evaluation.l0Histogram`.
 */
export function binCounts(histogram: ArrayLike<number>, most: number): Bins {
  const all = Array.from(histogram);
  const smallest = all.findIndex((count) => count > 0);
  if (smallest < 0) return { edges: [], counts: [] };
  const first = Math.max(0, smallest - 2);
  const end = all.findLastIndex((count) => count > 0) + 3;
  const width = Math.ceil((end - first) / most);
  const counts = new Array<number>(Math.ceil((end - first) / width)).fill(0);
  for (let a = first; a < end; a++) counts[Math.floor((a - first) / width)] += all[a] ?? 0;
  return evenBins(counts, width, first - 0.5);
}

/** Bins finite values into `count` bins of equal width, from the smallest to the largest. */
export function linearBins(values: ArrayLike<number>, count: number): Bins {
  const finite = Float64Array.from(values).filter(Number.isFinite).sort();
  const [low, high] = [finite[0], finite.at(-1)!];
  return low < high ? equalBins(finite, low, high, count) : { edges: [], counts: [] };
}

/**
 * Bins values on a logarithmic scale, `perDecade` bins to a factor of ten, from a power of ten to a
 * power of ten. Values up to zero and values that are not finite are omitted.
 */
export function logBins(values: ArrayLike<number>, perDecade: number): Bins {
  const logs = Float64Array.from(values).filter((value) => value > 0 && value < Infinity)
    .map(Math.log10).sort();
  if (logs.length === 0) return { edges: [], counts: [] };
  const low = Math.floor(logs[0]);
  const high = Math.max(low + 1, Math.ceil(logs.at(-1)!));
  const { edges, counts } = equalBins(logs, low, high, (high - low) * perDecade);
  return { edges: Array.from(edges, (log) => 10 ** log), counts };
}

function equalBins(values: Iterable<number>, low: number, high: number, bins: number): Bins {
  const counts = new Array<number>(bins).fill(0);
  const width = (high - low) / bins;
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))]++;
  return evenBins(counts, width, low);
}

/** Bins without the empty ones in front that lie below a place: most cosines are above zero. */
export function binsFrom(place: number, { edges, counts }: Bins): Bins {
  const all = Array.from(counts);
  const first = all.findIndex((count, b) => count > 0 || edges[b] >= place);
  return { edges: Array.from(edges).slice(first), counts: all.slice(first) };
}
