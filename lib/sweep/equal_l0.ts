import type { SweepRow } from "./sweep_row.ts";
import { mean } from "../mean.ts";

/** Name of a kind of SAE: its architecture, and what it was told beside. */
export const labelOf = ({ architecture, variant }: SweepRow): string =>
  variant ? `${architecture} ${variant.replaceAll("_", " ")}` : architecture;

/** Values without repetition, ascending. */
export const distinct = (values: readonly number[]): number[] =>
  [...new Set(values)].sort((a, b) => a - b);

/** A curve through SAEs of one kind. */
export interface Curve {
  /** Name of the kind. */
  label: string;
  /** Horizontal places, ascending. */
  x: number[];
  /** Values there. */
  y: number[];
}

/**
 * Curves by label, left to right.
 *
 * @param same Of SAEs of one label for which this is the same text, a curve has one point, their mean.
 */
export function meanCurves<Row>(
  rows: readonly Row[],
  { label, same, x, y }: {
    label: (row: Row) => string;
    same: (row: Row) => string;
    x: (row: Row) => number;
    y: (row: Row) => number;
  },
): Curve[] {
  return [...Map.groupBy(rows, label)].map(([label, own]) => {
    const points = [...Map.groupBy(own, same).values()]
      .map((kind) => [mean(kind.map(x)), mean(kind.map(y))])
      .sort(([a], [b]) => a - b);
    return { label, x: points.map(([x]) => x), y: points.map(([, y]) => y) };
  });
}

/** {@linkcode meanCurves} of a sweep: SAEs that differ in their seed alone are one point. */
export function sweepCurves(
  rows: readonly SweepRow[],
  x: (row: SweepRow) => number,
  y: (row: SweepRow) => number,
): Curve[] {
  const same = ({ dictSize, k, targetL0, sparsityCoefficient }: SweepRow) =>
    JSON.stringify([dictSize, k, targetL0, sparsityCoefficient]);
  return meanCurves(rows, { label: labelOf, same, x, y });
}

/** What SAEs of one kind and size have at a number of active latents. */
export interface EqualL0 {
  /** Name of the kind: architecture and variant. */
  label: string;
  /** Number of latents m. */
  dictSize: number;
  /** Active latents per sample, as measured on the SAE that `of` names. */
  l0: number;
  /** Which SAE has this L0: its kind and what it was told, such as "batchtopk, k 16". */
  of: string;
  /** Whether the values lie between two SAEs that were measured, and were not measured themselves. */
  between: boolean;
  /** Normalised mean squared error; NaN where the kind has no two SAEs with that L0 between them. */
  nmse: number;
  /** Cross-entropy degradation in nats per token; NaN as `nmse`. */
  ceDegradation: number;
}

/**
 * Compares kinds of SAEs at equal measured L0, size by size. Places are the L0 of each SAE that was told a
 * number of active latents (k, or a target): as it was measured, which need not be what was asked for. There
 * every other kind's curve is read, straight in log L0 between its two SAEs next to it, and nowhere beyond
 * its ends. SAEs that differ in their seed alone are one, their mean.
 *
 * @returns In the order of size, L0 and first appearance; empty where there is one kind only, or none was
 * told a number.
 */
export function atEqualL0(rows: readonly SweepRow[]): EqualL0[] {
  // What is never active has no place on a logarithmic axis.
  const measured = rows.filter(({ l0 }) => l0 > 0);
  const labels = [...new Set(measured.map(labelOf))];
  if (labels.length < 2) return [];
  return distinct(measured.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    const own = measured.filter((row) => row.dictSize === dictSize);
    return placesOf(own).flatMap(({ l0, of, label }) =>
      labels.map((other) => ({ other, kind: own.filter((row) => labelOf(row) === other) }))
        .filter(({ kind }) => kind.length > 0)
        .map(({ other, kind }) => ({
          ...{ label: other, dictSize, l0, of, between: other !== label },
          ...readAtL0(kind, l0),
        }))
    );
  });
}

/** The measured L0 of SAEs of one size that were told k or a target, ascending. */
function placesOf(rows: readonly SweepRow[]): { label: string; of: string; l0: number }[] {
  const told = rows.filter(({ k, targetL0 }) => k !== undefined || targetL0 !== undefined);
  const name = (row: SweepRow) =>
    `${labelOf(row)}, ${row.k === undefined ? `target ${row.targetL0}` : `k ${row.k}`}`;
  return [...Map.groupBy(told, name)].map(([of, own]) => {
    const [{ x }] = sweepCurves(own, ({ l0 }) => l0, ({ nmse }) => nmse);
    return { label: labelOf(own[0]), of, l0: x[0] };
  }).sort((a, b) => a.l0 - b.l0);
}

/** The curve of SAEs of one kind and size at an L0; NaN beyond its ends. */
export function readAtL0(
  rows: readonly SweepRow[],
  at: number,
): { nmse: number; ceDegradation: number } {
  const read = (value: (row: SweepRow) => number) => {
    const [{ x, y }] = sweepCurves(rows, ({ l0 }) => l0, value);
    return interpolate(x, y, at);
  };
  return { nmse: read((row) => row.nmse), ceDegradation: read((row) => row.ceDegradation) };
}

/** {@linkcode readAtL0} of one kind for each size: at the mean L0 of the SAEs of that size that were told k. */
export function readBySize(
  told: readonly SweepRow[],
  kind: readonly SweepRow[],
): { dictSize: number; nmse: number; ceDegradation: number }[] {
  return distinct(told.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    const l0s = told.filter((row) => row.dictSize === dictSize).map(({ l0 }) => l0);
    const own = kind.filter((row) => row.dictSize === dictSize);
    if (own.length === 0) return [];
    const read = readAtL0(own, mean(l0s));
    return isNaN(read.nmse) ? [] : [{ dictSize, ...read }];
  });
}

function interpolate(x: readonly number[], y: readonly number[], at: number): number {
  for (let i = 0; i < x.length; i++) {
    if (x[i] === at) return y[i];
    if (i > 0 && x[i - 1] < at && at < x[i]) {
      const share = Math.log(at / x[i - 1]) / Math.log(x[i] / x[i - 1]);
      return y[i - 1] + share * (y[i] - y[i - 1]);
    }
  }
  return NaN;
}
