import { distinct, labelOf, sweepCurves } from "./sweep_curves.ts";
import type { SweepRow } from "./sweep_row.ts";

/** What SAEs of one kind and size have at a number of active latents. */
export interface EqualL0 {
  /** Name of the kind: architecture and variant. */
  label: string;
  /** Number of latents m. */
  dictSize: number;
  /** Active latents a sample. */
  k: number;
  /** Whether it lies between two SAEs that were measured, and was not measured itself. */
  between: boolean;
  /** Normalised mean squared error; NaN where no two SAEs have k between them. */
  nmse: number;
  /** Cross-entropy degradation in nats a token; NaN as `nmse`. */
  ceDegradation: number;
}

/**
 * Compares SAEs that are told k with those that are told λ, at each k of the sweep and each size. The
 * latter have the L0 that they end with: their curve is read at L0 = k, straight in log L0 between the
 * two SAEs next to it, and nowhere beyond its ends.
 *
 * @returns In the order of k, size and first appearance; empty where all are told k, or none.
 */
export function atEqualL0(rows: readonly SweepRow[]): EqualL0[] {
  const given = rows.filter(({ k }) => k !== undefined);
  const measured = rows.filter(({ k, l0 }) => k === undefined && l0 > 0);
  if (measured.length === 0) return [];
  return distinct(given.map(({ k }) => k!)).flatMap((k) =>
    distinct(rows.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
      const told = given.filter((row) => row.k === k && row.dictSize === dictSize);
      const free = measured.filter((row) => row.dictSize === dictSize);
      return [
        ...readCurves(told, () => k, k).map((read) => ({ ...read, dictSize, between: false })),
        ...readCurves(free, ({ l0 }) => l0, k).map((read) => ({
          ...read,
          dictSize,
          between: true,
        })),
      ];
    })
  );
}

function readCurves(rows: readonly SweepRow[], place: (row: SweepRow) => number, k: number) {
  const read = (value: (row: SweepRow) => number) =>
    sweepCurves(rows, labelOf, place, value).map(({ x, y }) => interpolate(x, y, k));
  const [nmse, ce] = [read((row) => row.nmse), read((row) => row.ceDegradation)];
  return [...new Set(rows.map(labelOf))].map((label, i) => (
    { label, k, nmse: nmse[i], ceDegradation: ce[i] }
  ));
}

function interpolate(x: ArrayLike<number>, y: ArrayLike<number>, at: number): number {
  for (let i = 0; i < x.length; i++) {
    if (x[i] === at) return y[i];
    if (i > 0 && x[i - 1] < at && at < x[i]) {
      const share = Math.log(at / x[i - 1]) / Math.log(x[i] / x[i - 1]);
      return y[i - 1] + share * (y[i] - y[i - 1]);
    }
  }
  return NaN;
}

/**
 * {@linkcode atEqualL0} as a table: a row for each k and size, NMSE and CE degradation of each kind
 * beside each other.
 *
 * @returns Headings, and rows of text.
 */
export function equalL0Table(equal: readonly EqualL0[]): { head: string[]; rows: string[][] } {
  const kinds = [...Map.groupBy(equal, ({ label }) => label)];
  const shown = (value: number | undefined) =>
    value !== undefined && isFinite(value) ? value.toFixed(4) : "–";
  const heads = (measure: string) => kinds.map(([label]) => `${measure}, ${label}`);
  const rows = [...Map.groupBy(equal, ({ k, dictSize }) => `${k} ${dictSize}`).values()].map(
    (own) => {
      const values = kinds.map(([label]) => own.find((at) => at.label === label));
      return [
        ...[`${own[0].k}`, `${own[0].dictSize}`],
        ...values.map((at) => shown(at?.nmse)),
        ...values.map((at) => shown(at?.ceDegradation)),
      ];
    },
  );
  return { head: ["L0", "Dict. size", ...heads("NMSE"), ...heads("CE degradation")], rows };
}
