import { formatNumber } from "../format_number.ts";
import type { StitchingSummary } from "../report/stitching_files.ts";
import { distinct, labelOf, sweepCurves } from "../sweep/equal_l0.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";
import { drawLine, type FigureData, layAxis, type PlacedAxis, share } from "./figure_data.ts";
import { chainPath } from "./pair_data.ts";
import { numberIn, readTable, type ResultFolder } from "./result_folder.ts";

/** Content of `sweep.json` of a site: SAEs that were trained or stitched together. */
export interface SweepData {
  /** Sentences about it. */
  facts: string[];
  /** The SAEs: a cell for each heading; `sae` is the index in the site's list, if it has the SAE. */
  head: string[];
  rows: { cells: string[]; sae?: number }[];
  /** Figures whose points lead to SAEs. */
  figures: FigureData[];
  /** Further figures. */
  pictures: { file: string; title: string }[];
  /** Pairs of the site that belong to it. */
  pairs: number[];
}

const MEASURES = [
  { key: "nmse", title: "NMSE", unit: "normalised mean squared error" },
  { key: "ceDegradation", title: "CE degradation", unit: "nats per token" },
] as const;

/** The index of an SAE in the site's list by its name in the results. */
type Find = (name: string) => number | undefined;

/** The SAEs of a folder of `saewing sweep`. */
export async function sweepRows(folder: ResultFolder): Promise<SweepRow[]> {
  const rows = await readTable(folder, "sweep.csv");
  const told = (text: string | undefined) => text ? Number(text) : undefined;
  const measured = (text: string | undefined) => text ? Number(text) : NaN;
  return rows.map((row) => {
    const number = (name: string) => numberIn(row, name, `${folder.name}/sweep.csv`);
    return {
      ...{ name: row.name, architecture: row.architecture, variant: row.variant ?? "" },
      ...{ dictSize: number("dictSize"), k: told(row.k), targetL0: told(row.targetL0) },
      sparsityCoefficient: told(row.sparsityCoefficient),
      ...{ seed: number("seed"), steps: number("steps"), deadLatents: number("deadLatents") },
      ...{ nmse: number("nmse"), explainedVariance: number("explainedVariance") },
      ...{ l0: number("l0"), mse: number("mse"), ceClean: measured(row.ceClean) },
      ...{ ceSpliced: measured(row.ceSpliced), ceZeroAblated: measured(row.ceZeroAblated) },
      ceMeanAblated: measured(row.ceMeanAblated),
      ceDegradation: measured(row.ceDegradation),
      ceRecoveredFromZero: measured(row.ceRecoveredFromZero),
      ceRecoveredFromMean: measured(row.ceRecoveredFromMean),
    };
  });
}

/** The page of a sweep: NMSE and CE degradation by dictionary size and by k (Fig. 7, 8). */
export function sweepData(rows: readonly SweepRow[], find: Find): SweepData {
  const looks = [...new Set(rows.map(labelOf))];
  const colour = (row: SweepRow) => looks.indexOf(labelOf(row)) % 6;
  const figure = (
    own: readonly SweepRow[],
    { key, title, unit }: typeof MEASURES[number],
    place: { of: (row: SweepRow) => number; label: string; title: string },
    /** The option that distinguishes lines, besides the kind of SAE. */
    apart: (row: SweepRow) => unknown = () => "",
  ): FigureData[] => {
    const known = own.filter((row) => Number.isFinite(row[key]) && place.of(row) > 0);
    const places = distinct(known.map(place.of));
    if (places.length < 2) return [];
    const isWhole = places.every(Number.isInteger);
    const x = layAxis(place.label, places, {
      ...{ log: places.at(-1)! >= 2 * places[0], ticks: isWhole ? places : undefined },
    });
    const y = layAxis(unit, known.map((row) => row[key]));
    return [{
      ...{ title: `${title}, ${place.title}`, x: x.axis, y: y.axis },
      lines: [...Map.groupBy(known, apart).values()].flatMap((same) =>
        sweepCurves(same, place.of, (row) => row[key]).map(({ label, ...line }) =>
          drawLine(x, y, Array.from(line.x, (at, i) => [at, line.y[i]] as const), {
            ...{ label, colour: looks.indexOf(label) % 6 },
          })
        )
      ),
      points: known.map((row) => ({
        label: `${row.name}: ${title} ${formatNumber(row[key])}, L0 ${row.l0.toFixed(1)}`,
        ...{ colour: colour(row), at: spot(x, y, place.of(row), row[key]), sae: find(row.name) },
      })),
    }];
  };
  const bySize = distinct(rows.map(({ k }) => k).filter((k) => k !== undefined)).flatMap((k) => {
    const own = rows.filter((row) => row.k === k);
    const place = { of: ({ dictSize }: SweepRow) => dictSize, label: "dictionary size" };
    return MEASURES.flatMap((measure) =>
      figure(own, measure, { ...place, title: `k = ${k} (Fig. 7, left)` })
    );
  });
  const byActive = distinct(rows.map(({ dictSize }) => dictSize)).flatMap((dictSize) => {
    const own = rows.filter((row) => row.dictSize === dictSize);
    const told = ({ k, targetL0, sparsityCoefficient }: SweepRow) =>
      JSON.stringify([k, targetL0, sparsityCoefficient]);
    // SAEs that differ only in the seed form no curve.
    if (new Set(own.map(told)).size < 2) return [];
    const isTold = own.every(({ k }) => k !== undefined);
    const place = {
      of: ({ k, l0 }: SweepRow) => k ?? l0,
      label: isTold ? "k" : "k, or measured L0 where no k is given",
    };
    return MEASURES.flatMap((measure) =>
      figure(own, measure, { ...place, title: `${dictSize} latents (Fig. 7, right; Fig. 8)` })
    );
  });
  const bySparsity = figure(rows, MEASURES[0], {
    ...{ of: ({ l0 }: SweepRow) => l0, label: "L0, active latents per sample" },
    title: "against measured L0",
  }, ({ dictSize }) => dictSize);
  const hasCe = rows.some(({ ceDegradation }) => Number.isFinite(ceDegradation));
  return {
    facts: [`${rows.length} SAEs, trained on one stream of activations`],
    head: [
      ...["SAE", "architecture", "latents", "k", "L0", "NMSE"],
      ...(hasCe ? ["CE degradation", "CE recovered"] : []),
      "never active",
    ],
    rows: rows.map((row) => ({
      cells: [
        ...[row.name, labelOf(row), String(row.dictSize), String(row.k ?? "–")],
        ...[row.l0.toFixed(1), row.nmse.toFixed(4)],
        ...(hasCe ? [digits(row.ceDegradation), digits(row.ceRecoveredFromZero)] : []),
        String(row.deadLatents),
      ],
      sae: find(row.name),
    })),
    figures: [...bySize, ...byActive, ...bySparsity],
    ...{ pictures: [], pairs: [] },
  };
}

/** The page of a stitched chain: the SAEs by size, and the path through all of them (Fig. 5). */
export async function chainData(
  folder: ResultFolder,
  { source, saes, pairs, date }: StitchingSummary,
  find: Find,
): Promise<SweepData> {
  const figure = (title: string, unit: string, of: (sae: typeof saes[number]) => number) => {
    const x = layAxis("dictionary size", saes.map(({ dictSize }) => dictSize), {
      ...{ log: true, ticks: distinct(saes.map(({ dictSize }) => dictSize)) },
    });
    const y = layAxis(unit, saes.map(of));
    return {
      ...{ title: `${title} by dictionary size`, x: x.axis, y: y.axis },
      lines: [drawLine(x, y, saes.map((sae) => [sae.dictSize, of(sae)] as const), {
        ...{ label: title, colour: 0 },
      })],
      points: saes.map((sae) => ({
        label: `${sae.name}: ${title} ${formatNumber(of(sae))}`,
        ...{ colour: 0, at: spot(x, y, sae.dictSize, of(sae)), sae: find(sae.name) },
      })),
    };
  };
  const pictures = [
    ["overlap", "Reconstruction latents (Fig. 19)"],
    ["roc", "Do cosines predict the effect's sign? (Fig. 16)"],
    ["random_insertion", "Novel latents in random order (Fig. 18)"],
    ["shrinkage", "Novel latents, and the shrinkage control"],
  ].map(([name, title]) => ({ file: `plots/${name}.svg`, title }));
  return {
    facts: [`${source.model} at ${source.hook}`, `${source.samples} samples`, date],
    head: ["SAE", "architecture", "latents", "L0", "NMSE", "MSE (Σ over d)", "never active"],
    rows: saes.map((sae) => ({
      cells: [
        ...[sae.name, sae.architecture, String(sae.dictSize), sae.l0.toFixed(1)],
        ...[sae.nmse.toFixed(4), sae.mse.toPrecision(4), String(sae.deadLatents)],
      ],
      sae: find(sae.name),
    })),
    figures: [
      figure("NMSE", "normalised mean squared error", ({ nmse }) => nmse),
      figure("L0", "active latents per sample", ({ l0 }) => l0),
      ...await chainPath(folder, pairs),
    ],
    pictures: pictures.filter(({ file }) => folder.files.includes(file)),
    pairs: [],
  };
}

const spot = (x: PlacedAxis, y: PlacedAxis, a: number, b: number): [number, number] => [
  ...[share(x.at(a)), share(y.at(b))] as const,
];
const digits = (value: number): string => Number.isFinite(value) ? value.toFixed(4) : "–";
