import { escapeHtml } from "./escape_html.ts";
import {
  type Axis,
  emptyPlot,
  layoutPlot,
  type PlotFrame,
  type PlotOptions,
  px,
} from "./plot_frame.ts";
import { type ThinnedPoint, thinSeries } from "./thin_series.ts";

/** One curve of a plot. */
export interface LineSeries {
  /** Name in the legend. */
  label: string;
  /** Horizontal places, ascending. */
  x: ArrayLike<number>;
  /** Values; the curve is interrupted where one is not finite. */
  y: ArrayLike<number>;
}

/** Options of {@linkcode linePlot}. */
export interface LinePlotOptions extends PlotOptions {
  /** Whether the vertical axis is logarithmic (default false); values up to zero are left out then. */
  logY?: boolean;
}

const MOST_POINTS = 240;

/**
 * Draws curves as an SVG. A long curve is drawn as its mean within the band that it moves in; a legend
 * is added where there are several. A linear vertical axis includes zero.
 *
 * @throws {RangeError} A curve's x and y differ in length.
 */
export function linePlot(series: readonly LineSeries[], options: LinePlotOptions): string {
  const { logY = false } = options;
  const curves = series.map(({ label, x, y }) => {
    if (x.length !== y.length) {
      throw new RangeError(`series ${label} has ${x.length} x and ${y.length} y, expected as many`);
    }
    const drawn = logY ? Float64Array.from(y, (value) => value > 0 ? value : NaN) : y;
    return { label, x, points: thinSeries(x, drawn, MOST_POINTS) };
  });
  const points = curves.flatMap((curve) => curve.points).filter(({ mean }) => !isNaN(mean));
  if (points.length === 0) return emptyPlot(options);

  const ends = curves.filter(({ x }) => x.length > 0).flatMap(({ x }) => [x[0], x[x.length - 1]]);
  const xAxis = range(ends);
  const yAxis = range(points.flatMap(({ low, high }) => [low, high]), logY);
  if (!logY) {
    yAxis.low = Math.min(0, yAxis.low);
    yAxis.high = Math.max(0, yAxis.high);
  }
  const named = curves.length > 1;
  const frame = layoutPlot(options, xAxis, { ...yAxis, log: logY, toTicks: true }, named ? 20 : 0);
  const drawn = curves.map((curve, i) => drawCurve(curve.points, frame, colour(i)));
  return frame.draw([...drawn, named ? legend(curves.map(({ label }) => label)) : ""].join("\n"));
}

function colour(series: number): string {
  const own = ["#2563c9", "#c2570c", "#2f855a", "#7c3aed", "#b83280", "#4a5568"];
  const at = series % own.length;
  return `var(--plot-${at + 1}, ${own[at]})`;
}

// A range without an extent is widened, so that its one value lies inside.
function range(values: number[], log = false): Axis {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low < high) return { low, high };
  return log ? { low: low / 2, high: high * 2 } : { low: low - 1, high: high + 1 };
}

function drawCurve(points: ThinnedPoint[], { x, y }: PlotFrame, colour: string): string {
  const runs: ThinnedPoint[][] = [[]];
  for (const point of points) {
    if (isNaN(point.mean)) runs.push([]);
    else runs.at(-1)!.push(point);
  }
  const place = (point: ThinnedPoint, value: number): string => `${px(x(point.x))} ${px(y(value))}`;
  const drawn = runs.filter((run) => run.length > 0);
  const bands = drawn.filter((run) => run.some(({ low, high }) => low < high)).map((run) =>
    `M${run.map((point) => place(point, point.high)).join("L")}L` +
    `${run.toReversed().map((point) => place(point, point.low)).join("L")}Z`
  ).join("");
  // A point on its own is a line of no length, which round caps make a dot.
  const line = drawn.map((run) =>
    `M${run.map((point) => place(point, point.mean)).join("L")}${run.length === 1 ? "h0" : ""}`
  ).join("");
  return (bands
    ? `<path class="band" d="${bands}" style="fill:${colour}" fill-opacity=".2"/>`
    : "") +
    `<path class="line" d="${line}" style="stroke:${colour}" fill="none" stroke-width="1.8" ` +
    `stroke-linejoin="round" stroke-linecap="round"/>`;
}

function legend(labels: string[]): string {
  let at = 2;
  return labels.map((label, i) => {
    const entry = `<path d="M${px(at)} 33h16" style="stroke:${colour(i)}" stroke-width="3" ` +
      `stroke-linecap="round"/><text x="${px(at + 22)}" y="37">${escapeHtml(label)}</text>`;
    at += 22 + label.length * 6.5 + 16;
    return entry;
  }).join("");
}
