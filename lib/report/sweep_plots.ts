import { readAtL0 } from "./equal_l0.ts";
import { linePlot } from "./line_plot.ts";
import { distinct, labelOf, sweepCurves } from "./sweep_curves.ts";
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
 * NMSE and cross-entropy degradation against dictionary size, a plot for each k (Fig. 7, left). SAEs
 * that are told no k are read at the mean measured L0 of those that are, as by {@linkcode readAtL0}.
 */
export function plotsBySize(rows: readonly SweepRow[]): SweepPlot[] {
  const free = Map.groupBy(rows.filter((row) => row.k === undefined && row.l0 > 0), labelOf);
  return distinct(rows.map(({ k }) => k).filter((k) => k !== undefined)).flatMap((k) => {
    const own = rows.filter((row) => row.k === k);
    const sizes = distinct(own.map(({ dictSize }) => dictSize));
    if (sizes.length < 2) return [];
    const read = [...free].map(([label, all]) => ({ label, at: readBySize(own, all) }))
      .filter(({ at }) => at.length > 0);
    return MEASURES.map(({ key, file, title, unit }) => ({
      name: `${file}_by_dict_size_k${k}`,
      svg: linePlot([
        ...sweepCurves(own, labelOf, (row) => row.dictSize, (row) => row[key]),
        ...read.map(({ label, at }) => ({
          label: `${label}, read at their L0`,
          x: at.map(({ dictSize }) => dictSize),
          y: at.map((point) => point[key]),
        })),
      ], {
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

/** SAEs of one kind at the measured L0 of those of each size that are told k. */
function readBySize(told: readonly SweepRow[], kind: readonly SweepRow[]) {
  return distinct(told.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    const l0s = told.filter((row) => row.dictSize === dictSize).map(({ l0 }) => l0);
    const own = kind.filter((row) => row.dictSize === dictSize);
    if (own.length === 0) return [];
    const read = readAtL0(own, l0s.reduce((sum, l0) => sum + l0) / l0s.length);
    return isNaN(read.nmse) ? [] : [{ dictSize, ...read }];
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
    const told = ({ k, targetL0, sparsityCoefficient }: SweepRow) =>
      JSON.stringify([k, targetL0, sparsityCoefficient]);
    if (new Set(own.map(told)).size < 2) return [];
    const measured = own.some(({ k }) => k === undefined);
    return MEASURES.map(({ key, file, title, unit }) => ({
      name: `${file}_by_k_m${dictSize}`,
      svg: linePlot(sweepCurves(own, labelOf, placeOf, (row) => row[key]), {
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

/**
 * NMSE against measured L0, a line for each architecture and dictionary size: an architecture has a
 * colour, a dictionary size its dashes, the largest none.
 */
export function paretoPlot(rows: readonly SweepRow[]): SweepPlot {
  const sizes = distinct(rows.map(({ dictSize }) => dictSize)).reverse();
  const curves = [...Map.groupBy(rows, labelOf).values()].flatMap((own, colour) =>
    sizes.flatMap((size, dash) =>
      sweepCurves(
        own.filter(({ dictSize }) => dictSize === size),
        (row) => `${labelOf(row)} ${size}`,
        (row) => row.l0,
        (row) => row.nmse,
      ).map((curve) => ({ ...curve, colour, dash }))
    )
  );
  return {
    name: "pareto",
    svg: linePlot(curves, {
      title: "Sparsity and reconstruction",
      description: "NMSE against measured L0, a line for each architecture and dictionary size.",
      xLabel: "L0, active latents a sample",
      yLabel: "normalised mean squared error",
      ...{ fromZero: false, dots: true, width: 960, height: 400 },
    }),
  };
}

const placeOf = ({ k, l0 }: SweepRow): number => k ?? l0;
