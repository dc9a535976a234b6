import { extent, formatTick, logTicks, spacedTicks } from "../report/ticks.ts";

/** An axis of a figure. */
export interface FigureAxis {
  /** Name and unit. */
  label: string;
  /** Ticks: position from 0 to 1, and label. */
  ticks: [at: number, words: string][];
}

/** A line of a figure. */
export interface FigureLine {
  /** Its name; lines of one name are one entry of the legend. */
  label: string;
  /** Number of its colour. */
  colour: number;
  /** Whether it is dashed: a control, or a fit. */
  dashed?: boolean;
  /** Its corners, each coordinate from 0 to 1 along its axis. */
  points: [x: number, y: number][];
}

/** A point of a figure that leads to an SAE. */
export interface FigurePoint {
  /** Its label, with its values. */
  label: string;
  /** Number of its colour. */
  colour: number;
  /** Its coordinates, from 0 to 1 along the axes. */
  at: [x: number, y: number];
  /** Index in the site's list of the SAE that it leads to. */
  sae?: number;
}

/** A figure as a page draws it. Coordinates are from 0 to 1 along the axes. */
export interface FigureData {
  /** Its heading. */
  title: string;
  /** What it shows. */
  note?: string;
  /** The horizontal axis. */
  x: FigureAxis;
  /** The vertical axis. */
  y: FigureAxis;
  /** Positions marked by a line across the figure. */
  marks?: { axis: "x" | "y"; at: number; label: string }[];
  /** Lines. */
  lines?: FigureLine[];
  /** Points, if they are few; many are in a packed file (`packPlaces`). */
  points?: FigurePoint[];
  /** Kinds of packed points by index: a name and a colour each. */
  kinds?: [label: string, colour: number][];
}

/** An axis, and the positions of values on it. */
export interface PlacedAxis {
  /** What the page draws. */
  axis: FigureAxis;
  /** Position of a value, from 0 to 1; outside of the axis that of the nearer end. */
  at(value: number): number;
}

/**
 * Creates an axis for values.
 *
 * @param values Values that it must contain; with `log` only those above zero.
 * @param ticks Where ticks are (default: round numbers).
 */
export function layAxis(
  label: string,
  values: Iterable<number>,
  { log = false, ticks }: { log?: boolean; ticks?: readonly number[] } = {},
): PlacedAxis {
  const known = [...values].filter((value) => Number.isFinite(value) && (!log || value > 0));
  const [least, most] = extent(known.length > 0 ? known : [log ? 1 : 0], log);
  const scale = (value: number) => log ? Math.log10(value) : value;
  // A margin, so that no point lies on the edge.
  const room = 0.03 * (scale(most) - scale(least));
  const [low, high] = [scale(least) - room, scale(most) + room];
  const at = (value: number) => Math.min(1, Math.max(0, (scale(value) - low) / (high - low || 1)));
  const [from, to] = log ? [10 ** low, 10 ** high] : [low, high];
  const chosen = ticks ?? (log ? logTicks(from, to) : undefined) ?? roundTicks(from, to);
  const ascending = [...new Set(chosen)].sort((a, b) => a - b);
  const shown = ascending.length > 1 ? spacedTicks(ascending, 420, log) : ascending;
  return { axis: { label, ticks: shown.map((tick) => [share(at(tick)), formatTick(tick)]) }, at };
}

/** Rounds a coordinate for storage: an axis has about 600 pixels. */
export const share = (value: number): number => Math.round(value * 1e4) / 1e4;

/** About five round numbers in a range. */
function roundTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from(
    { length: Math.max(0, Math.floor(high / step) - first + 1) },
    // Rounded, since 3 · 0.1 is not exactly 0.3.
    (_, i) => Number(((first + i) * step).toPrecision(12)),
  );
}

/** A line through values, without corners that are closer than the page can show. */
export function drawLine(
  x: PlacedAxis,
  y: PlacedAxis,
  values: readonly (readonly [number, number])[],
  look: Omit<FigureLine, "points">,
): FigureLine {
  const known = values.filter((value) => value.every(Number.isFinite));
  const apart = Math.max(1, Math.ceil(known.length / 400));
  const points = known
    .filter((_, i) => i % apart === 0 || i === known.length - 1)
    .map(([a, b]): [number, number] => [share(x.at(a)), share(y.at(b))]);
  return { ...look, points };
}
