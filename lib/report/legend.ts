import type { Mark, Plot } from "./figure.ts";

/** What points are marked by. */
export type FigureSymbol = "circle" | "square" | "triangle" | "diamond" | "star" | "wye" | "cross";

/** An entry of a figure's legend: a line, a symbol, or a line with symbols on it. */
export interface LegendEntry {
  /** Its name. */
  label: string;
  /** Its colour, as CSS. */
  colour: string;
  /** Dashes of its line (`stroke-dasharray`); "" for an unbroken one. Without it there is no line. */
  dash?: string;
  /** Its symbol. */
  symbol?: FigureSymbol;
}

// A letter of a wide 12-pixel font (DejaVu Sans) is 7.2 pixels wide on average.
const LETTER = 7.2;
const ROW = 19;

/** Words on one line of at most `pixels`; what is longer loses its middle. */
export function shorten(words: string, pixels: number, letter = LETTER): string {
  const line = words.replace(/\s+/g, " ");
  const most = Math.max(3, Math.floor(pixels / letter));
  if (line.length <= most) return line;
  const half = Math.floor((most - 1) / 2);
  return `${line.slice(0, half)}…${line.slice(-half)}`;
}

/** Places of a legend's entries in rows, and the height that they take, in pixels. */
export function placeLegend(
  entries: readonly LegendEntry[],
  width: number,
): { height: number; places: { label: string; x: number; y: number }[] } {
  let [at, row] = [4, 0];
  const places = entries.map((entry) => {
    const label = shorten(entry.label, width - 30);
    const wide = 22 + label.length * LETTER;
    if (at > 4 && at + wide > width) [at, row] = [4, row + 1];
    const place = { label, x: at, y: ROW * row };
    at += wide + 16;
    return place;
  });
  return { height: entries.length > 0 ? ROW * (row + 1) : 0, places };
}

/** Marks of a legend, its upper left corner at (dx, dy) from the upper left of the frame. */
export function legendMarks(
  plot: Plot,
  entries: readonly LegendEntry[],
  places: readonly { label: string; x: number; y: number }[],
  dx: number,
  dy: number,
): Mark[] {
  return entries.flatMap(({ colour, dash, symbol }, i) => {
    const { label, x, y } = places[i];
    const at = (right: number) => ({
      ...{ frameAnchor: "top-left", className: "legend", facet: "super" } as const,
      ...{ dx: dx + x + right, dy: dy + y },
    });
    return [
      dash === undefined ? null : plot.vector([0], {
        ...at(0),
        ...{ anchor: "start", rotate: 90, length: 16, stroke: colour, strokeDasharray: dash },
        strokeWidth: 1.8,
        shape: { draw: (context, length) => (context.moveTo(0, 0), context.lineTo(0, -length)) },
      }),
      symbol ? plot.dot([0], { ...at(8), symbol, fill: colour, r: 4 }) : null,
      plot.text([label], { ...at(22), textAnchor: "start", lineAnchor: "middle" }),
    ];
  });
}
