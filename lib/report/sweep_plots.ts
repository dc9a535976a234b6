import type { SweepRow } from "../sweep/sweep_row.ts";
import type { Figure } from "./figure.ts";
import { architectureColour, dashes, type FigureSymbol, QUIET } from "./legend.ts";
import { linePlot, type LineSeries, sizeAxis } from "./line_plot.ts";
import { distinct, labelOf, readBySize, sweepCurves } from "../sweep/equal_l0.ts";

const MEASURES = [
  { key: "nmse", file: "nmse", title: "NMSE", unit: "normalised mean squared error" },
  { key: "ceDegradation", file: "ce", title: "CE degradation", unit: "nats per token" },
] as const;

const SYMBOLS: FigureSymbol[] = ["circle", "square", "triangle", "diamond", "star", "wye", "cross"];

/**
 * NMSE and cross-entropy degradation against dictionary size, a figure for each k (Fig. 7, left). SAEs
 * that are told no k are read at the mean measured L0 of those that are, as by {@linkcode readBySize}.
 */
export function plotsBySize(rows: readonly SweepRow[]): Promise<Figure>[] {
  const free = Map.groupBy(rows.filter((row) => row.k === undefined && row.l0 > 0), labelOf);
  const look = looks(rows);
  return distinct(rows.map(({ k }) => k).filter((k) => k !== undefined)).flatMap((k) => {
    const own = rows.filter((row) => row.k === k);
    const sizes = distinct(own.map(({ dictSize }) => dictSize));
    if (sizes.length < 2) return [];
    const read = [...free].map(([label, all]) => ({ label, at: readBySize(own, all) }))
      .filter(({ at }) => at.length > 0);
    return MEASURES.map(({ key, file, title, unit }) =>
      linePlot([
        ...sweepCurves(own, (row) => row.dictSize, (row) => row[key])
          .map((curve) => ({ ...curve, ...look(curve.label) })),
        ...read.map(({ label, at }) => ({
          ...{ ...look(label), label: `${label}, read at their L0` },
          x: at.map(({ dictSize }) => dictSize),
          y: at.map((point) => point[key]),
        })),
      ], {
        name: `${file}_by_dict_size_k${k}`,
        title: `${title}, k = ${k}`,
        description: `${title} against dictionary size, one line per architecture.`,
        ...{ ...sizeAxis(sizes), yLabel: unit, fromZero: false },
      })
    );
  });
}

/** Colour of the architecture of a kind of SAE, and dashes for the variants of one. */
function looks(rows: readonly SweepRow[]): (label: string) => { colour: string; dash: number } {
  const kinds = [...Map.groupBy(rows, ({ architecture }) => architecture)]
    .flatMap(([architecture, own]) =>
      [...new Set(own.map(labelOf))].map((label, dash) =>
        [label, { colour: architectureColour(architecture), dash }] as const
      )
    );
  const byLabel = new Map(kinds);
  return (label) => byLabel.get(label)!;
}

/**
 * NMSE and cross-entropy degradation against k, a figure for each dictionary size (Fig. 7, right). An
 * SAE that is told no k stands at its measured L0.
 */
export function plotsByK(rows: readonly SweepRow[]): Promise<Figure>[] {
  const look = looks(rows);
  return distinct(rows.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    // Without any active latent there is no place on a logarithmic axis.
    const own = rows.filter((row) => row.dictSize === dictSize && placeOf(row) > 0);
    const ks = distinct(own.map(({ k }) => k).filter((k) => k !== undefined));
    const told = ({ k, targetL0, sparsityCoefficient }: SweepRow) =>
      JSON.stringify([k, targetL0, sparsityCoefficient]);
    if (new Set(own.map(told)).size < 2) return [];
    const measured = own.some(({ k }) => k === undefined);
    return MEASURES.map(({ key, file, title, unit }) =>
      linePlot(
        sweepCurves(own, placeOf, (row) => row[key])
          .map((curve) => ({ ...curve, ...look(curve.label) })),
        {
          name: `${file}_by_k_m${dictSize}`,
          title: `${title}, ${dictSize} latents`,
          description: `${title} against active latents per sample, one line per architecture.`,
          xLabel: measured ? "k, or measured L0 where no k is given" : "k",
          yLabel: unit,
          xTicks: ks.length > 1 ? ks : undefined,
          ...{ logX: true, fromZero: false, dots: true },
        },
      )
    );
  });
}

/**
 * NMSE against measured L0, a line for each architecture and dictionary size: an architecture has its
 * colour, a variant of it dashes, a dictionary size its symbol.
 */
export function paretoPlot(rows: readonly SweepRow[]): Promise<Figure> {
  const sizes = distinct(rows.map(({ dictSize }) => dictSize));
  const look = looks(rows);
  const symbol = (size: number) => SYMBOLS[sizes.indexOf(size) % SYMBOLS.length];
  const kinds = Map.groupBy(rows, labelOf);
  const curves = [...kinds].flatMap(([label, own]) =>
    sizes.flatMap((size): LineSeries[] =>
      sweepCurves(
        own.filter(({ dictSize }) => dictSize === size),
        (row) => row.l0,
        (row) => row.nmse,
      ).map((curve) => ({ ...curve, ...look(label), symbol: symbol(size) }))
    )
  );
  return linePlot(curves, {
    name: "pareto",
    title: "Sparsity and reconstruction",
    description: "NMSE against measured L0, a line for each architecture and dictionary size.",
    xLabel: "L0, active latents per sample",
    yLabel: "normalised mean squared error",
    legend: [
      ...[...kinds.keys()].map((label) => ({
        ...{ label, colour: look(label).colour, dash: dashes(look(label).dash) },
      })),
      ...sizes.map((size) => ({ label: `${size} latents`, colour: QUIET, symbol: symbol(size) })),
    ],
    ...{ fromZero: false, dots: true, width: 960, height: 360 },
  });
}

const placeOf = ({ k, l0 }: SweepRow): number => k ?? l0;
