const OWN = ["#2563c9", "#c2570c", "#2f855a", "#7c3aed", "#b83280", "#4a5568"];
const ARCHITECTURES = ["batchtopk", "topk", "jumprelu", "relu", "matryoshka_batchtopk"];
const DASHES = ["", "6 4", "1.5 4", "9 4 1.5 4"];

/** Number of colours before they repeat. */
export const COLOURS = OWN.length;

/** A colour that keeps behind others: references, controls, what is left over. */
export const QUIET = colour(5);

/** Colour of a series of a figure, as CSS; a page may set its own (`--plot-1` to `--plot-6`). */
export function colour(series: number): string {
  const at = series % COLOURS;
  return `var(--plot-${at + 1}, ${OWN[at]})`;
}

/** The colour of an architecture, the same in every figure; those that are not known share one. */
export function architectureColour(architecture: string): string {
  const at = ARCHITECTURES.indexOf(architecture);
  return at < 0 ? QUIET : colour(at);
}

/** Dashes of a series, as `stroke-dasharray`; none for 0. */
export function dashes(series: number): string {
  return DASHES[series % DASHES.length];
}

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

/** A letter of a wide 12-pixel font (DejaVu Sans) is 7.2 pixels wide on average. */
export const LETTER = 7.2;
const ROW = 19;

/** Words on one line of at most `pixels`; what is longer loses its middle. */
export function shorten(words: string, pixels: number, letter = LETTER): string {
  const line = words.replace(/\s+/g, " ");
  const most = Math.max(3, Math.floor(pixels / letter));
  if (line.length <= most) return line;
  const half = Math.floor((most - 1) / 2);
  return `${line.slice(0, half)}…${line.slice(-half)}`;
}

/** Entries of a legend laid in rows with places in pixels, and the height that they take. */
export function placeLegend(
  entries: readonly LegendEntry[],
  width: number,
): { height: number; placed: (LegendEntry & { x: number; y: number })[] } {
  let [end, row] = [4, 0];
  const placed = entries.map((entry) => {
    const label = shorten(entry.label, width - 30);
    const wide = 22 + label.length * LETTER;
    if (end > 4 && end + wide > width) [end, row] = [4, row + 1];
    const x = end;
    end += wide + 16;
    return { ...entry, label, x, y: ROW * row };
  });
  return { height: entries.length > 0 ? ROW * (row + 1) : 0, placed };
}
