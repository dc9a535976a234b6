import { formatNumber } from "./format_number.ts";
import { emptyPlot, layoutPlot, type PlotOptions, px, text } from "./plot_frame.ts";

/** Counts of values between edges. */
export interface Bins {
  /** Ascending edges, one more than there are bins. */
  edges: ArrayLike<number>;
  /** counts[b] values lie between edges[b] and edges[b + 1]. */
  counts: ArrayLike<number>;
}

/** Options of {@linkcode barPlot}. */
export interface BarPlotOptions extends PlotOptions {
  /** Whether the horizontal axis is logarithmic (default false); edges are above zero then. */
  logX?: boolean;
  /** A value to point out, with its name. */
  mark?: { x: number; label: string };
}

/**
 * Draws a histogram as an SVG; each bar says its numbers when it is pointed at.
 *
 * @throws {RangeError} There is not one edge more than there are counts.
 */
export function barPlot(bins: Bins, options: BarPlotOptions): string {
  const { logX: log = false, mark } = options;
  const edges = Array.from(bins.edges);
  const counts = Array.from(bins.counts, (count) => Number.isFinite(count) ? count : 0);
  if (edges.length !== counts.length + 1 && counts.length > 0) {
    throw new RangeError(
      `there are ${edges.length} edges and ${counts.length} counts, expected one edge more`,
    );
  }
  const most = counts.reduce((most, count) => Math.max(most, count), 0);
  if (most === 0) return emptyPlot(options);
  const [low, high] = [edges[0], edges.at(-1)!];
  const xAxis = { low, high, log };
  const { x, y, area, draw } = layoutPlot(
    options,
    xAxis,
    { low: 0, high: most, round: true },
    mark ? 14 : 0,
  );
  const bars = counts.map((count, b) => {
    if (count === 0) return "";
    const [left, right, top] = [x(edges[b]), x(edges[b + 1]), y(count)];
    const gap = Math.min(1, (right - left) / 5);
    return `<rect x="${px(left + gap / 2)}" y="${px(top)}" width="${px(right - left - gap)}" ` +
      `height="${px(area.bottom - top)}"><title>${formatNumber(edges[b])} to ` +
      `${formatNumber(edges[b + 1])}: ${formatNumber(count)}</title></rect>`;
  });
  return draw(
    `<g style="fill:var(--plot-1, #2563c9)">\n${bars.filter((bar) => bar).join("\n")}\n</g>` +
      (mark && mark.x >= low && mark.x <= high ? drawMark(mark, x(mark.x), area) : ""),
  );
}

function drawMark(
  { label }: { label: string },
  at: number,
  { left, right, top, bottom }: { left: number; right: number; top: number; bottom: number },
): string {
  const before = at > (left + right) / 2;
  return `<path d="M${px(at)} ${px(top - 16)}V${px(bottom)}" stroke-width="1.6" ` +
    `stroke-dasharray="4 3" style="stroke:var(--plot-2, #c2570c)"/>` +
    text(at + (before ? -6 : 6), top - 8, label, before ? "end" : "start");
}
