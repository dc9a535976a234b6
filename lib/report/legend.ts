import { px, text } from "./plot_frame.ts";

const OWN = ["#2563c9", "#c2570c", "#2f855a", "#7c3aed", "#b83280", "#4a5568"];

/** Number of colours before they repeat. */
export const COLOURS = OWN.length;

/** Colour of a series of a plot, as CSS; a page may set its own. */
export function colour(series: number): string {
  const at = series % COLOURS;
  return `var(--plot-${at + 1}, ${OWN[at]})`;
}

/** A legend above a plot's area. */
export interface Legend {
  /** Height that it takes, in pixels. */
  height: number;
  /** Draws it; `mark` draws an entry's mark, 16 pixels wide from a place on. */
  draw(mark: (x: string, y: number, series: number) => string): string;
}

// A letter of a wide 12-pixel font (DejaVu Sans) is 7.2 pixels wide on average.
const LETTER = 7.2;

/** Places a legend's entries in rows; a name longer than the plot loses its middle. */
export function layOutLegend(labels: readonly string[], width = 480): Legend {
  let [at, row] = [4, 0];
  const most = Math.floor((width - 30) / LETTER);
  const places = labels.map((whole) => {
    const label = shorten(whole, most);
    const wide = 22 + label.length * LETTER;
    if (at > 4 && at + wide > width) [at, row] = [4, row + 1];
    const place = { label, at, y: 33 + 20 * row };
    at += wide + 16;
    return place;
  });
  return {
    height: 20 * (row + 1),
    draw: (mark) =>
      places.map(({ label, at, y }, i) => mark(px(at), y, i) + text(at + 22, y + 4, label)).join(
        "",
      ),
  };
}

function shorten(label: string, most: number): string {
  if (label.length <= most) return label;
  const half = Math.floor((most - 1) / 2);
  return `${label.slice(0, half)}…${label.slice(-half)}`;
}
