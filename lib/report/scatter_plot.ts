import { colour, layOutLegend } from "./legend.ts";
import { emptyPlot, layoutPlot, type PlotOptions, px, text } from "./plot_frame.ts";

/** Points of one kind. */
export interface ScatterSeries {
  /** Name in the legend. */
  label: string;
  /** Horizontal places. */
  x: ArrayLike<number>;
  /** Vertical places. */
  y: ArrayLike<number>;
}

/** Options of {@linkcode scatterPlot}. */
export interface ScatterPlotOptions extends PlotOptions {
  /** A horizontal place to point out, with its name. */
  mark?: { x: number; label: string };
  /**
   * Share of the points that the vertical axis leaves out, half of it above and half below (default
   * 0): a few outliers would flatten all others. The plot says how many are outside.
   */
  clip?: number;
}

/**
 * Draws points as an SVG, with a line at zero. Points that fall on the same pixels are drawn once,
 * darker, so that a plot of 100,000 stays small.
 *
 * @throws {RangeError} A series' x and y differ in length.
 */
export function scatterPlot(
  series: readonly ScatterSeries[],
  options: ScatterPlotOptions,
): string {
  const { mark, clip = 0, width } = options;
  const points = series.flatMap(({ label, x, y }, kind) => {
    if (x.length !== y.length) {
      throw new RangeError(`series ${label} has ${x.length} x and ${y.length} y, expected as many`);
    }
    return Array.from(x, (place, i) => ({ x: place, y: y[i], kind }))
      .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  });
  if (points.length === 0) return emptyPlot(options);
  // A place to point out is drawn wherever it is.
  const [left, right] = bounds([...points.map(({ x }) => x), ...(mark ? [mark.x] : [])], 0);
  const [low, high] = bounds([...points.map(({ y }) => y)], clip);
  const inside = points.filter(({ y }) => y >= low && y <= high);
  const outside = points.length - inside.length;
  const legend = series.length > 1
    ? layOutLegend(series.map(({ label }) => label), width)
    : { height: 0, draw: () => "" };
  const frame = layoutPlot(
    options,
    { low: left, high: right, round: true },
    { low: Math.min(0, low), high: Math.max(0, high), round: true },
    legend.height + (mark || outside ? 14 : 0),
  );
  const { area } = frame;
  // A label to the left of its mark has no room at the left edge.
  const early = mark !== undefined && frame.x(mark.x) < (area.left + area.right) / 2;
  const parts = [
    `<path d="M${px(area.left)} ${px(frame.y(0))}H${px(area.right)}" stroke="currentColor" ` +
    `stroke-opacity=".5"/>`,
    ...series.map((_, kind) =>
      drawDots(inside.filter((point) => point.kind === kind), frame, kind)
    ),
    legend.draw((x, y, kind) =>
      `<path d="M${Number(x) + 8} ${y}h0" stroke-width="7" stroke-linecap="round" ` +
      `style="stroke:${colour(kind)}"/>`
    ),
    mark
      ? `<path d="M${px(frame.x(mark.x))} ${px(area.top - 12)}V${px(area.bottom)}" ` +
        `stroke="currentColor" stroke-opacity=".6" stroke-dasharray="4 3"/>` +
        text(frame.x(mark.x) + (early ? 6 : -6), area.top - 4, mark.label, early ? "start" : "end")
      : "",
    outside > 0
      ? text(
        early ? area.right : area.left,
        area.top - 4,
        `${outside} of ${points.length} outside`,
        early ? "end" : "start",
        0.75,
      )
      : "",
  ];
  return frame.draw(parts.filter((part) => part).join("\n"));
}

/** The range that holds all values but a share of them; widened where it has no extent. */
function bounds(values: number[], clip: number): [number, number] {
  const sorted = Float64Array.from(values).sort();
  const left = Math.floor(clip / 2 * sorted.length);
  const [low, high] = [sorted[left], sorted[sorted.length - 1 - left]];
  return low < high ? [low, high] : [low - 1, high + 1];
}

interface Point {
  x: number;
  y: number;
}

// Places are rounded to a pixel and a half: half a dot.
const GRID = 1.5;

function drawDots(
  points: Point[],
  { x, y }: { x(value: number): number; y(value: number): number },
  kind: number,
): string {
  const counts = new Map<string, number>();
  for (const point of points) {
    const place = [x(point.x), y(point.y)].map((at) => px(Math.round(at / GRID) * GRID)).join(" ");
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const shades = Map.groupBy(
    counts,
    ([, count]) => count === 1 ? 0.45 : count < 5 ? 0.7 : 1,
  );
  return [...shades].sort(([a], [b]) => a - b).map(([opacity, places]) =>
    `<path class="dots" d="${places.map(([place]) => `M${place}h0`).join("")}" ` +
    `stroke-width="3" stroke-linecap="round" stroke-opacity="${opacity}" ` +
    `style="stroke:${colour(kind)}"/>`
  ).join("");
}
