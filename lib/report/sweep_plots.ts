import { linePlot, type LineSeries } from "./line_plot.ts";
import type { SweepRow } from "./sweep_row.ts";

/** A plot of a sweep. */
export interface SweepPlot {
  /** Name for its file, without an ending. */
  name: string;
  /** The SVG. */
  svg: string;
}

const MEASURES = [
  { key: "nmse", file: "nmse", title: "NMSE", unit: "normalised mean squared error" },
  { key: "ceDegradation", file: "ce", title: "CE degradation", unit: "nats a token" },
] as const;

/**
 * NMSE and cross-entropy degradation against dictionary size, a plot for each k (Fig. 7, left). An SAE
 * that is told no k has no place in them.
 */
export function plotsBySize(rows: readonly SweepRow[]): SweepPlot[] {
  return distinct(rows.map(({ k }) => k).filter((k) => k !== undefined)).flatMap((k) => {
    const own = rows.filter((row) => row.k === k);
    const sizes = distinct(own.map(({ dictSize }) => dictSize));
    if (sizes.length < 2) return [];
    return MEASURES.map(({ key, file, title, unit }) => ({
      name: `${file}_by_dict_size_k${k}`,
      svg: linePlot(curves(own, labelOf, (row) => row.dictSize, (row) => row[key]), {
        title: `${title}, k = ${k}`,
        description: `${title} against dictionary size, a line an architecture.`,
        xLabel: "dictionary size",
        yLabel: unit,
        xTicks: sizes,
        ...{ logX: true, fromZero: false, dots: true },
      }),
    }));
  });
}

/**
 * NMSE and cross-entropy degradation against k, a plot for each dictionary size (Fig. 7, right). An
 * SAE that is told no k stands at its measured L0.
 */
export function plotsByK(rows: readonly SweepRow[]): SweepPlot[] {
  return distinct(rows.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    // Without any active latent there is no place on a logarithmic axis.
    const own = rows.filter((row) => row.dictSize === dictSize && placeOf(row) > 0);
    const ks = distinct(own.map(({ k }) => k).filter((k) => k !== undefined));
    if (new Set(own.map(({ k, sparsityCoefficient }) => k ?? -sparsityCoefficient!)).size < 2) {
      return [];
    }
    const measured = own.some(({ k }) => k === undefined);
    return MEASURES.map(({ key, file, title, unit }) => ({
      name: `${file}_by_k_m${dictSize}`,
      svg: linePlot(curves(own, labelOf, placeOf, (row) => row[key]), {
        title: `${title}, ${dictSize} latents`,
        description: `${title} against active latents a sample, a line an architecture.`,
        xLabel: measured ? "k, or measured L0 where no k is given" : "k",
        yLabel: unit,
        xTicks: ks.length > 1 ? ks : undefined,
        ...{ logX: true, fromZero: false, dots: true },
      }),
    }));
  });
}

/** NMSE against measured L0, a line for each architecture and dictionary size. */
export function paretoPlot(rows: readonly SweepRow[]): SweepPlot {
  const label = (row: SweepRow) => `${labelOf(row)} ${row.dictSize}`;
  return {
    name: "pareto",
    svg: linePlot(curves(rows, label, (row) => row.l0, (row) => row.nmse), {
      title: "Sparsity and reconstruction",
      description: "NMSE against measured L0, a line for each architecture and dictionary size.",
      xLabel: "L0, active latents a sample",
      yLabel: "normalised mean squared error",
      ...{ fromZero: false, dots: true, width: 720, height: 360 },
    }),
  };
}

const placeOf = ({ k, l0 }: SweepRow): number => k ?? l0;

const labelOf = ({ architecture, variant }: SweepRow): string =>
  variant ? `${architecture} ${variant.replaceAll("_", " ")}` : architecture;

const distinct = (values: number[]): number[] => [...new Set(values)].sort((a, b) => a - b);

/** Curves by label, left to right; SAEs that differ in their seed alone are one point, their mean. */
function curves(
  rows: readonly SweepRow[],
  label: (row: SweepRow) => string,
  x: (row: SweepRow) => number,
  y: (row: SweepRow) => number,
): LineSeries[] {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value) / values.length;
  return [...Map.groupBy(rows, label)].map(([label, own]) => {
    const kinds = Map.groupBy(
      own,
      ({ dictSize, k, sparsityCoefficient }) => JSON.stringify([dictSize, k, sparsityCoefficient]),
    );
    const points = [...kinds.values()].map((kind) => [mean(kind.map(x)), mean(kind.map(y))])
      .sort(([a], [b]) => a - b);
    return { label, x: points.map(([x]) => x), y: points.map(([, y]) => y) };
  });
}
