import {
  type Axis,
  emptyPlot,
  layoutPlot,
  type PlotFrame,
  type PlotOptions,
  px,
  text,
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
  const extremes = points.flatMap(({ low, high }) => [low, high]);
  const yAxis = { ...range(logY ? extremes : [0, ...extremes], logY), log: logY, round: true };
  const named = curves.length > 1;
  const frame = layoutPlot(options, range(ends), yAxis, named ? 20 : 0);
  const drawn = curves.map((curve, i) =>
    drawBand(curve.points, frame, i) + drawLine(curve.points, frame, i, named)
  );
  const legend = named ? drawLegend(curves.map(({ label }) => label)) : "";
  return frame.draw([...drawn, legend].filter((part) => part).join("\n"));
}

// A range without an extent is widened, so that its one value lies inside.
function range(values: number[], log = false): Axis {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low < high) return { low, high };
  if (log) return { low: low / 2, high: high * 2 };
  return low === 0 ? { low, high: 1 } : { low: low - 1, high: high + 1 };
}

function colour(series: number): string {
  const own = ["#2563c9", "#c2570c", "#2f855a", "#7c3aed", "#b83280", "#4a5568"];
  const at = series % own.length;
  return `var(--plot-${at + 1}, ${own[at]})`;
}

// The first of several curves is broad, so that it shows where another runs along it, as the
// reconstruction loss does along the total.
function stroke(series: number, several: boolean): string {
  return `style="stroke:${
    colour(series)
  }" fill="none" stroke-linecap="round" stroke-linejoin="round" ` +
    (series === 0 && several ? `stroke-width="5" stroke-opacity=".45"` : `stroke-width="1.8"`);
}

type Place = Pick<PlotFrame, "x" | "y">;

function drawLine(points: ThinnedPoint[], { x, y }: Place, series: number, named: boolean): string {
  const runs = unbroken(points).map((run) =>
    run.map((point) => `${px(x(point.x))} ${px(y(point.mean))}`)
  );
  const line = runs.filter((run) => run.length > 1).map((run) => `M${run.join("L")}`).join("");
  const dots = runs.filter((run) => run.length === 1).map(([place]) => {
    const [cx, cy] = place.split(" ");
    return `<circle cx="${cx}" cy="${cy}" r="2.5" style="fill:${colour(series)}"/>`;
  });
  return (line ? `<path class="line" d="${line}" ${stroke(series, named)}/>` : "") + dots.join("");
}

function drawBand(points: ThinnedPoint[], { x, y }: Place, series: number): string {
  if (!points.some(({ low, high }) => low < high)) return "";
  const band = unbroken(points).map((run) => {
    const above = run.map((point) => `${px(x(point.x))} ${px(y(point.high))}`);
    const below = run.map((point) => `${px(x(point.x))} ${px(y(point.low))}`);
    return `M${[...above, ...below.toReversed()].join("L")}Z`;
  });
  return `<path class="band" d="${band.join("")}" style="fill:${colour(series)}" ` +
    `fill-opacity=".2"/>`;
}

function unbroken(points: ThinnedPoint[]): ThinnedPoint[][] {
  const runs: ThinnedPoint[][] = [[]];
  for (const point of points) {
    if (isNaN(point.mean)) runs.push([]);
    else runs.at(-1)!.push(point);
  }
  return runs.filter((run) => run.length > 0);
}

function drawLegend(labels: string[]): string {
  let at = 4;
  return labels.map((label, i) => {
    const entry = `<path d="M${px(at)} 33h16" ${stroke(i, true)}/>` + text(at + 22, 37, label);
    at += 22 + label.length * 6.5 + 16;
    return entry;
  }).join("");
}
