import type { LineSeries } from "./line_plot.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";

/** Name of a kind of SAE: its architecture, and what it was told beside. */
export const labelOf = ({ architecture, variant }: SweepRow): string =>
  variant ? `${architecture} ${variant.replaceAll("_", " ")}` : architecture;

/** Values without repetition, ascending. */
export const distinct = (values: readonly number[]): number[] =>
  [...new Set(values)].sort((a, b) => a - b);

/** Curves by label, left to right; SAEs that differ in their seed alone are one point, their mean. */
export function sweepCurves(
  rows: readonly SweepRow[],
  label: (row: SweepRow) => string,
  x: (row: SweepRow) => number,
  y: (row: SweepRow) => number,
): LineSeries[] {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value) / values.length;
  return [...Map.groupBy(rows, label)].map(([label, own]) => {
    const kinds = Map.groupBy(
      own,
      ({ dictSize, k, targetL0, sparsityCoefficient }) =>
        JSON.stringify([dictSize, k, targetL0, sparsityCoefficient]),
    );
    const points = [...kinds.values()].map((kind) => [mean(kind.map(x)), mean(kind.map(y))])
      .sort(([a], [b]) => a - b);
    return { label, x: points.map(([x]) => x), y: points.map(([, y]) => y) };
  });
}
