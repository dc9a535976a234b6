import { type Figure, figure, type FigureWords, type Mark, type Plot } from "./figure.ts";
import { colour, COLOURS, dashes, type FigureSymbol, type LegendEntry } from "./legend.ts";
import { extent, logTicks, spacedTicks } from "./ticks.ts";

/** One curve of a figure. */
export interface LineSeries {
  /** Name in the legend. */
  label: string;
  /** Horizontal places, in the order in which they are joined. */
  x: ArrayLike<number>;
  /** Values; the curve is interrupted where one is not finite. */
  y: ArrayLike<number>;
  /** Its colour, as CSS (default by its place among the curves). */
  colour?: string;
  /** Number of its dashes, 0 without any (default: as often as the colours have been used up). */
  dash?: number;
  /** Whether it is drawn broad, so that it shows where another runs along it (default false). */
  broad?: boolean;
  /** What its points are marked by, where points are marked (default a circle). */
  symbol?: FigureSymbol;
  /** Whether its points are not marked where those of others are: a line across (default false). */
  bare?: boolean;
}

/** Options of {@linkcode linePlot}. */
export interface LinePlotOptions extends FigureWords {
  /** Name and unit of the horizontal axis. */
  xLabel?: string;
  /** Name and unit of the vertical axis. */
  yLabel?: string;
  /** Whether the vertical axis is logarithmic (default false); values up to zero are omitted then. */
  logY?: boolean;
  /** Whether the horizontal axis is logarithmic (default false); every x is above zero then. */
  logX?: boolean;
  /** Places of the horizontal axis's ticks, ascending, in place of round numbers. */
  xTicks?: readonly number[];
  /** Whether a linear vertical axis includes zero (default true). */
  fromZero?: boolean;
  /** Whether each point is marked: for few points (default false). */
  dots?: boolean;
  /** Entries of the legend (default the curves, where there are several). */
  legend?: readonly LegendEntry[];
  /** Marks beneath the curves. */
  beneath?: (plot: Plot) => Mark[];
}

/** Options of few points, one per dictionary size, on a logarithmic axis. */
export function sizeAxis(
  sizes: readonly number[],
  xLabel = "dictionary size",
): Pick<LinePlotOptions, "xLabel" | "xTicks" | "logX" | "dots"> {
  return { xLabel, xTicks: sizes, logX: true, dots: true };
}

const MOST_POINTS = 240;

/**
 * Draws curves. A long curve is drawn as its mean within the band that it moves in.
 *
 * @throws {RangeError} A curve's x and y differ in length.
 */
export async function linePlot(
  series: readonly LineSeries[],
  options: LinePlotOptions,
): Promise<Figure> {
  const { logY = false, logX = false, fromZero = true, dots = false, beneath } = options;
  const curves = series.map(({ x, y, ...own }, i) => {
    if (x.length !== y.length) {
      const lengths = `${x.length} x and ${y.length} y`;
      throw new RangeError(`series ${own.label} has ${lengths}, expected as many`);
    }
    const drawn = logY ? Float64Array.from(y, (value) => value > 0 ? value : NaN) : y;
    const { colour: stroke = colour(i), dash = Math.floor(i / COLOURS) } = own;
    return { ...own, stroke, dash: dashes(dash), points: thinSeries(x, drawn, MOST_POINTS) };
  });
  const points = curves.flatMap(({ points }) => points).filter(({ mean }) => !isNaN(mean));
  const xDomain = extent(
    [...series, { x: options.xTicks ?? [] }].flatMap(({ x }) => Array.from(x)),
    logX,
  );
  const extremes = points.flatMap(({ low, high }) => [low, high]);
  const yDomain = extent(logY || !fromZero ? extremes : [0, ...extremes], logY);
  const xTicks = options.xTicks && spacedTicks(options.xTicks, (options.width ?? 480) - 80, logX);
  return await figure({
    ...options,
    legend: options.legend ??
      (curves.length > 1
        ? curves.map(({ label, stroke: colour, dash, symbol = "circle", bare }) => ({
          ...{ label, colour, dash },
          ...(dots && !bare ? { symbol } : {}),
        }))
        : []),
    x: {
      label: options.xLabel,
      ...(logX ? { type: "log", ticks: xTicks ?? logTicks(...xDomain) } : { ticks: xTicks }),
      domain: xDomain,
    },
    y: {
      label: options.yLabel,
      ...(logY ? { type: "log", ticks: logTicks(...yDomain) } : { nice: true }),
      domain: yDomain,
    },
    marks: (plot) =>
      points.length === 0 ? [] : [
        ...beneath?.(plot) ?? [],
        ...curves.flatMap(({ stroke, dash, points, broad, symbol = "circle", bare }) => [
          points.some(({ low, high }) => low < high)
            ? plot.areaY(points, { x: "x", y1: "low", y2: "high", fill: stroke, fillOpacity: 0.2 })
            : null,
          plot.line(points, {
            ...{ x: "x", y: "mean", stroke, strokeDasharray: dash },
            ...(broad ? { strokeWidth: 5, strokeOpacity: 0.45 } : { strokeWidth: 1.8 }),
          }),
          dots && !bare
            ? plot.dot(points, { x: "x", y: "mean", fill: stroke, symbol, r: 3.5 })
            : null,
        ]),
      ],
  });
}

/**
 * Thins a curve to at most `most` points: means of neighbours, with the smallest and the largest of
 * them. Values that are not finite are omitted; a point without any other is NaN.
 *
 * @param x Ascending.
 */
export function thinSeries(
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  most: number,
): { x: number; mean: number; low: number; high: number }[] {
  const all = Array.from(y);
  const points = Math.min(all.length, most);
  return Array.from({ length: points }, (_, i) => {
    const [from, to] = [i, i + 1].map((at) => Math.floor(at * all.length / points));
    const own = all.slice(from, to).filter(Number.isFinite);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    const [low, high] = own.length > 0 ? [Math.min(...own), Math.max(...own)] : [NaN, NaN];
    return { x: (x[from] + x[to - 1]) / 2, mean, low, high };
  });
}
