import { colour, COLOURS, layOutLegend } from "./legend.ts";
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
  /** Number of its colour (default its place among the curves): curves of one kind share one. */
  colour?: number;
  /** Number of its dashes, 0 without any (default: as often as the colours have been used up). */
  dash?: number;
}

/** Options of {@linkcode linePlot}. */
export interface LinePlotOptions extends PlotOptions {
  /** Whether the vertical axis is logarithmic (default false); values up to zero are left out then. */
  logY?: boolean;
  /** Whether the horizontal axis is logarithmic (default false); every x is above zero then. */
  logX?: boolean;
  /** Places of the horizontal axis's ticks, in place of round numbers. */
  xTicks?: readonly number[];
  /** Whether a linear vertical axis includes zero (default true). */
  fromZero?: boolean;
  /** Whether each point is marked by a dot: for few points (default false). */
  dots?: boolean;
}

const MOST_POINTS = 240;
const DASHES = ["", "6 4", "1.5 4", "9 4 1.5 4"];

/**
 * Draws curves as an SVG. A long curve is drawn as its mean within the band that it moves in; a legend
 * is added where there are several.
 *
 * @throws {RangeError} A curve's x and y differ in length.
 */
export function linePlot(series: readonly LineSeries[], options: LinePlotOptions): string {
  const { logY = false, logX = false, xTicks, fromZero = true, dots = false } = options;
  const curves = series.map(({ label, x, y, ...own }, i) => {
    if (x.length !== y.length) {
      throw new RangeError(`series ${label} has ${x.length} x and ${y.length} y, expected as many`);
    }
    const drawn = logY ? Float64Array.from(y, (value) => value > 0 ? value : NaN) : y;
    const { colour: hue = i, dash = Math.floor(i / COLOURS) } = own;
    // The first of several is broad, so that it shows where another runs along it, as the
    // reconstruction loss does along the total. Dots show by themselves.
    const broad = i === 0 && series.length > 1 && !dots;
    const look = { colour: colour(hue), dash: DASHES[dash % DASHES.length], broad };
    return { label, x, points: thinSeries(x, drawn, MOST_POINTS), look };
  });
  const points = curves.flatMap((curve) => curve.points).filter(({ mean }) => !isNaN(mean));
  if (points.length === 0) return emptyPlot(options);

  const ends = curves.filter(({ x }) => x.length > 0).flatMap(({ x }) => [x[0], x[x.length - 1]]);
  const extremes = points.flatMap(({ low, high }) => [low, high]);
  const spread = logY || !fromZero ? extremes : [0, ...extremes];
  const yAxis = { ...range(spread, logY), log: logY, round: true };
  const xAxis = { ...range([...ends, ...xTicks ?? []], logX), log: logX, ticks: xTicks };
  const legend = curves.length > 1
    ? layOutLegend(curves.map(({ label }) => label), options.width)
    : { height: 0, draw: () => "" };
  const frame = layoutPlot(options, xAxis, yAxis, legend.height);
  const drawn = curves.map(({ points, look }) =>
    drawBand(points, frame, look) + drawLine(points, frame, look, dots)
  );
  const key = legend.draw((at, y, i) => `<path d="M${at} ${y}h16" ${stroke(curves[i].look)}/>`);
  return frame.draw([...drawn, key].filter((part) => part).join("\n"));
}

// A range without an extent is widened, so that its one value lies inside.
function range(values: number[], log = false): Axis {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  if (low < high) return { low, high };
  if (log) return { low: low / 2, high: high * 2 };
  return low === 0 ? { low, high: 1 } : { low: low - 1, high: high + 1 };
}

interface Look {
  colour: string;
  dash: string;
  broad: boolean;
}

function stroke({ colour, dash, broad }: Look): string {
  return `style="stroke:${colour}" fill="none" stroke-linecap="round" stroke-linejoin="round" ` +
    (dash && `stroke-dasharray="${dash}" `) +
    (broad ? `stroke-width="5" stroke-opacity=".45"` : `stroke-width="1.8"`);
}

type Place = Pick<PlotFrame, "x" | "y">;

function drawLine(
  points: ThinnedPoint[],
  { x, y }: Place,
  look: Look,
  dots: boolean,
): string {
  const runs = unbroken(points).map((run) =>
    run.map((point) => `${px(x(point.x))} ${px(y(point.mean))}`)
  );
  const line = runs.filter((run) => run.length > 1).map((run) => `M${run.join("L")}`).join("");
  const marked = runs.filter((run) => dots || run.length === 1).flat().map((place) => {
    const [cx, cy] = place.split(" ");
    return `<circle cx="${cx}" cy="${cy}" r="${dots ? 3 : 2.5}" style="fill:${look.colour}"/>`;
  });
  return (line ? `<path class="line" d="${line}" ${stroke(look)}/>` : "") +
    marked.join("");
}

function drawBand(points: ThinnedPoint[], { x, y }: Place, { colour }: Look): string {
  if (!points.some(({ low, high }) => low < high)) return "";
  const band = unbroken(points).map((run) => {
    const above = run.map((point) => `${px(x(point.x))} ${px(y(point.high))}`);
    const below = run.map((point) => `${px(x(point.x))} ${px(y(point.low))}`);
    return `M${[...above, ...below.toReversed()].join("L")}Z`;
  });
  return `<path class="band" d="${band.join("")}" style="fill:${colour}" ` +
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
