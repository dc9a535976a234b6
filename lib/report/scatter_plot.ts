import { type Figure, figure, type FigureWords, type Mark, type Plot, pointOut } from "./figure.ts";
import { colour } from "./legend.ts";
import { extent } from "./ticks.ts";

/** Points of one kind. */
export interface ScatterSeries {
  /** Name in the legend. */
  label: string;
  /** Horizontal places. */
  x: ArrayLike<number>;
  /** Vertical places. */
  y: ArrayLike<number>;
}

/** A straight line, y = intercept + slope · x. */
export interface StraightLine {
  /** Name in the legend. */
  label: string;
  /** Of y over x. */
  slope: number;
  /** y where x is 0. */
  intercept: number;
  /** Where it begins and ends. */
  x: [from: number, to: number];
  /** Its dashes (`stroke-dasharray`). */
  dash: string;
}

/** Options of {@linkcode scatterPlot}. */
export interface ScatterPlotOptions extends FigureWords {
  /** Name and unit of the horizontal axis. */
  xLabel?: string;
  /** Name and unit of the vertical axis. */
  yLabel?: string;
  /** A horizontal place to point out, with its name. */
  mark?: { x: number; label: string };
  /**
   * Share of the points outside of the vertical axis, half of it above and half below (default
   * 0): a few outliers would flatten all others. The figure says how many are outside.
   */
  clip?: number;
  /** Straight lines through the points, each with a name for the legend. */
  lines?: readonly StraightLine[];
}

/**
 * Draws points, with a line at zero. Points that fall on the same pixels are drawn once, darker, so
 * that a figure of 100,000 stays small.
 *
 * @throws {RangeError} A series' x and y differ in length.
 */
export async function scatterPlot(
  series: readonly ScatterSeries[],
  options: ScatterPlotOptions,
): Promise<Figure> {
  const { mark, clip = 0, width = 480, height = 280, lines = [] } = options;
  const points = series.flatMap(({ label, x, y }, kind) => {
    if (x.length !== y.length) {
      throw new RangeError(`series ${label} has ${x.length} x and ${y.length} y, expected as many`);
    }
    return Array.from(x, (place, i) => ({ x: place, y: y[i], kind }))
      .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
  });
  // A place to point out is drawn wherever it is.
  const xDomain = extent([...points.map(({ x }) => x), ...(mark ? [mark.x] : [])]);
  const sorted = Float64Array.from(points, ({ y }) => y).sort();
  const cut = Math.floor(clip / 2 * sorted.length);
  const [low, high] = [sorted[cut], sorted[sorted.length - 1 - cut]];
  const inside = points.filter(({ y }) => y >= low && y <= high);
  const outside = points.length - inside.length;
  const yDomain = extent([0, low, high]);
  return await figure({
    ...options,
    legend: [
      ...(series.length > 1 || lines.length > 0
        ? series.map(({ label }, i) => ({ label, colour: colour(i), symbol: "circle" as const }))
        : []),
      ...lines.map(({ label, dash }) => ({ label, dash, colour: colour(1) })),
    ],
    x: { label: options.xLabel, domain: xDomain, nice: true },
    y: {
      label: `${options.yLabel ?? ""}${
        outside > 0 ? `; ${outside} of ${points.length} outside` : ""
      }`,
      domain: yDomain,
      nice: true,
    },
    marks: (plot) =>
      points.length === 0 ? [] : [
        plot.ruleY([0], { strokeOpacity: 0.5 }),
        ...series.map((_, kind) =>
          dots(
            plot,
            inside.filter((point) => point.kind === kind),
            colour(kind),
            [(xDomain[1] - xDomain[0]) / width, (yDomain[1] - yDomain[0]) / height],
          )
        ),
        ...lines.map((line): Mark =>
          plot.line(within(line, yDomain), {
            ...{ stroke: colour(1), strokeWidth: 2, strokeDasharray: line.dash },
          })
        ),
        ...(mark ? pointOut(plot, mark, xDomain) : []),
      ],
  });
}

/** The ends of the part of a line that is inside a range of y. */
function within({ slope, intercept, x }: StraightLine, range: [number, number]): number[][] {
  const ends = slope === 0 ? x : range.map((y) => (y - intercept) / slope).sort((a, b) => a - b);
  const part = [Math.max(x[0], ends[0]), Math.min(x[1], ends[1])];
  return part[0] < part[1] ? part.map((x) => [x, intercept + slope * x]) : [];
}

const FEW = 300;

/** Dots on a grid of a pixel and a half, half a dot, the darker the more points are on one place. */
function dots(
  plot: Plot,
  points: { x: number; y: number }[],
  fill: string,
  [across, down]: [number, number],
): Mark {
  const round = (value: number, pixel: number) => Math.round(value / (1.5 * pixel)) * 1.5 * pixel;
  const places = Map.groupBy(
    points,
    ({ x, y }) => `${round(x, across)} ${round(y, down)}`,
  );
  // Few points are seen well, many as a cloud.
  const [single, r] = points.length < FEW ? [0.75, 2.5] : [0.45, 1.8];
  const opacity = (count: number) => count === 1 ? single : count < 5 ? 0.85 : 1;
  return plot.dot([...places], {
    x: ([, [{ x }]]) => x,
    y: ([, [{ y }]]) => y,
    fillOpacity: { value: ([, own]: [string, unknown[]]) => opacity(own.length), scale: null },
    ...{ fill, r },
  });
}
