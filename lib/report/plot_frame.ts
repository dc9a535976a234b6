import { escapeHtml } from "./escape_html.ts";
import { fineLogTicks, linearTicks, logTicks, tickLabels } from "./ticks.ts";

/** What all plots have: words and size. */
export interface PlotOptions {
  /** Heading of the plot. */
  title: string;
  /** What the plot shows, for those who cannot see it. */
  description?: string;
  /** Name and unit of the horizontal axis. */
  xLabel?: string;
  /** Name and unit of the vertical axis. */
  yLabel?: string;
  /** Width in pixels (default 480); the plot scales with its surroundings. */
  width?: number;
  /** Height in pixels (default 280). */
  height?: number;
}

/** The range of an axis. */
export interface Axis {
  /** Smallest value. */
  low: number;
  /** Largest value. */
  high: number;
  /** Whether the scale is logarithmic; `low` is above zero then. */
  log?: boolean;
  /** Whether the axis is widened to round numbers, in place of ending at `low` and `high`. */
  round?: boolean;
  /** Places of the ticks, in place of round numbers. Those that leave no room are not named. */
  ticks?: readonly number[];
}

/** A plot without its contents. */
export interface PlotFrame {
  /** Horizontal place of a value, in pixels. */
  x(value: number): number;
  /** Vertical place of a value, in pixels. */
  y(value: number): number;
  /** Edges of the plotting area, in pixels. */
  area: { left: number; right: number; top: number; bottom: number };
  /** The whole SVG around contents. */
  draw(contents: string): string;
}

// Widths of text are estimated: a digit of a wide 12-pixel font (DejaVu Sans) is 7.6 pixels wide.
const DIGIT = 7.7;
const HEADING = 26;
const WIDTH = 480;
const HEIGHT = 280;

/**
 * Lays out title, axes, ticks and grid of a plot. Colours come from the surroundings (currentColor),
 * so a plot fits a light and a dark page, and is black on white on its own.
 *
 * @param legend Height to keep free between the title and the plotting area.
 */
export function layoutPlot(options: PlotOptions, xAxis: Axis, yAxis: Axis, legend = 0): PlotFrame {
  const { xLabel = "", yLabel = "", width = WIDTH, height = HEIGHT } = options;
  const top = HEADING + legend + 6;
  const bottom = height - (xLabel ? 42 : 24);
  const yTicks = ticksOf(yAxis, (bottom - top) / (yAxis.log ? 25 : 45));
  const yNames = tickLabels(yTicks, yAxis.log);
  const widest = yNames.reduce((most, name) => Math.max(most, name.length), 0);
  const left = (yLabel ? 26 : 2) + widest * DIGIT + 8;
  const right = width - 16;
  const xTicks = ticksOf(xAxis, (right - left) / 55);
  const x = scale(rangeOf(xAxis, xTicks), left, right);
  const y = scale(rangeOf(yAxis, yTicks), bottom, top);

  const within = (place: number, from: number, to: number): boolean =>
    place > from - 0.5 && place < to + 0.5;
  const grid = yTicks.map((tick, i) => ({ at: y(tick), name: yNames[i] }))
    .filter(({ at }) => within(at, top, bottom))
    .map(({ at, name }) =>
      `<path d="M${px(left)} ${px(at)}H${px(right)}" stroke="currentColor" stroke-opacity=".14"/>` +
      text(left - 8, at + 4, name, "end")
    );
  const xNames = xAxis.ticks ? xTicks.map(String) : tickLabels(xTicks, xAxis.log);
  let named = -Infinity;
  const below = xTicks.map((tick, i) => ({ at: x(tick), name: xNames[i] }))
    .filter(({ at, name }) => {
      const half = name.length * DIGIT / 2 + 4;
      if (!within(at, left, right) || at - half < named) return false;
      named = at + half;
      return true;
    })
    .map(({ at, name }) =>
      `<path d="M${px(at)} ${px(bottom)}v5" stroke="currentColor" stroke-opacity=".5"/>` +
      text(
        Math.min(at, width - 2 - name.length * DIGIT / 2),
        bottom + 18,
        name,
        "middle",
      )
    );
  const middle = (top + bottom) / 2;
  const names = [
    xLabel ? text((left + right) / 2, height - 6, xLabel, "middle", 0.75) : "",
    yLabel
      ? `<text transform="translate(13 ${px(middle)}) rotate(-90)" text-anchor="middle" ` +
        `fill-opacity=".75">${escapeHtml(yLabel)}</text>`
      : "",
  ];
  const base = `<path d="M${px(left)} ${px(bottom)}H${px(right)}" stroke="currentColor" ` +
    `stroke-opacity=".5"/>`;
  return {
    x,
    y,
    area: { left, right, top, bottom },
    draw: (contents) => drawSvg(options, [...names, ...grid, contents, base, ...below]),
  };
}

/** A plot that has nothing to show, and says so. */
export function emptyPlot(options: PlotOptions): string {
  const { width = WIDTH, height = HEIGHT } = options;
  return drawSvg(options, [text(width / 2, height / 2, "no data", "middle", 0.75)]);
}

function drawSvg(options: PlotOptions, parts: string[]): string {
  const { title, description = "", width = WIDTH, height = HEIGHT } = options;
  const spoken = escapeHtml(description ? `${title}. ${description}` : title);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${spoken}" fill="currentColor" font-size="12" ` +
    `font-family="system-ui, sans-serif">`,
    `<title>${escapeHtml(title)}</title>`,
    description ? `<desc>${escapeHtml(description)}</desc>` : "",
    `<text x="2" y="16" font-size="14" font-weight="600">${escapeHtml(title)}</text>`,
    ...parts,
    `</svg>`,
  ].filter((part) => part).join("\n");
}

/** Words in a plot. */
export function text(
  x: number,
  y: number,
  words: string,
  anchor: "start" | "middle" | "end" = "start",
  opacity = 1,
): string {
  return `<text x="${px(x)}" y="${px(y)}"` +
    (anchor === "start" ? "" : ` text-anchor="${anchor}"`) +
    (opacity === 1 ? "" : ` fill-opacity="${opacity}"`) +
    `>${escapeHtml(words)}</text>`;
}

/** A place in pixels, to a hundredth. */
export function px(place: number): string {
  return String(Math.round(place * 100) / 100);
}

function ticksOf({ low, high, log, ticks }: Axis, count: number): readonly number[] {
  if (ticks) return ticks;
  return (log ? logTicks : linearTicks)(low, high, Math.max(2, Math.floor(count)));
}

function rangeOf(axis: Axis, ticks: readonly number[]): Axis {
  if (!axis.round) return axis;
  const ends = axis.log ? fineLogTicks(axis.low, axis.high) : ticks;
  return { low: ends[0], high: ends.at(-1)!, log: axis.log };
}

function scale({ low, high, log }: Axis, from: number, to: number): (value: number) => number {
  const at = log ? Math.log10 : (value: number) => value;
  return (value) => from + (at(value) - at(low)) / (at(high) - at(low)) * (to - from);
}
