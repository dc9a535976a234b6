import { colour } from "./colours.ts";
import { type Figure, figure, type FigureWords } from "./figure.ts";
import { formatNumber } from "./format_number.ts";
import { logTicks } from "./ticks.ts";

/** Counts of values between edges. */
export interface Bins {
  /** Ascending edges, one more than there are bins. */
  edges: ArrayLike<number>;
  /** counts[b] values lie between edges[b] and edges[b + 1]. */
  counts: ArrayLike<number>;
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
  const edges = Array.from(bins.edges);
  const counts = Array.from(bins.counts, (count) => Number.isFinite(count) ? count : 0);
  if (edges.length !== counts.length + 1 && counts.length > 0) {
    throw new RangeError(
      `there are ${edges.length} edges and ${counts.length} counts, expected one edge more`,
    );
  }
  const bars = counts.map((count, b) => ({ low: edges[b], high: edges[b + 1], count }))
    .filter(({ count }) => count > 0);
  const domain = [edges[0], edges.at(-1)!];
  const marked = mark && mark.x >= domain[0] && mark.x <= domain[1] ? [mark] : [];
  const place = (value: number) => logX ? Math.log(value) : value;
  const late = mark && place(mark.x) > (place(domain[0]) + place(domain[1])) / 2;
  return await figure({
    ...options,
    x: {
      ...{ label: options.xLabel, domain },
      ...(logX ? { type: "log", ticks: logTicks(domain[0], domain[1]) } : {}),
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
        plot.ruleX(marked, {
          ...{ x: "x", stroke: colour(1), strokeWidth: 1.6, strokeDasharray: "4 3", insetTop: -14 },
        }),
        plot.text(marked, {
          ...{
            x: "x",
            text: "label",
            frameAnchor: "top",
            dy: -4,
            lineAnchor: "bottom",
            dx: late ? -6 : 6,
          },
          textAnchor: late ? "end" : "start",
        }),
      ],
  });
}
