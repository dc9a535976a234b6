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
