import { stringify } from "@std/csv";
import { atEqualL0, type EqualL0 } from "./equal_l0.ts";
import { propertiesMarkdown, sweepPlots, type SweepReport, sweepReport } from "./sweep_report.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";

/** Columns of sweep.csv. */
const COLUMNS: (keyof SweepRow)[] = [
  ...[
    "name",
    "architecture",
    "dictSize",
    "k",
    "targetL0",
    "sparsityCoefficient",
    "variant",
    "seed",
  ] as const,
  ...["steps", "nmse", "explainedVariance", "l0", "mse", "ceClean", "ceSpliced"] as const,
  ...["ceZeroAblated", "ceMeanAblated", "ceDegradation", "ceRecoveredFromZero"] as const,
  ...["ceRecoveredFromMean", "deadLatents", "leftOut", "nmseAll", "l0All", "warnings"] as const,
];

/** Columns of equal_l0.csv. */
const EQUAL_COLUMNS: (keyof EqualL0)[] = [
  "dictSize",
  "l0",
  "of",
  "label",
  "between",
  "nmse",
  "ceDegradation",
];

/**
 * The results of a sweep as text files, by their paths: sweep.csv, table2.md (the columns of Table 2),
 * plots/, sweep.html, and equal_l0.csv where several kinds of SAEs are compared at equal measured L0.
 *
 * @example
 * ```ts ignore
 * const model = { id: "Xenova/gpt2", hook: "blocks.8.hook_resid_pre" };
 * const files = await sweepFiles({ rows, model, date: "today", device: device.name, settings: {} });
 * await Deno.writeTextFile("sweep.csv", files["sweep.csv"]);
 * ```
 */
export async function sweepFiles(about: SweepReport): Promise<Record<string, string>> {
  const { rows, model } = about;
  const equal = atEqualL0(rows);
  const plots = await Promise.all(sweepPlots(rows));
  return {
    ...Object.fromEntries(plots.map(({ name, svg }) => [`plots/${name}.svg`, svg])),
    "sweep.csv": csv(rows, COLUMNS),
    ...(equal.length > 0 ? { "equal_l0.csv": csv(equal, EQUAL_COLUMNS) } : {}),
    "table2.md": propertiesMarkdown(rows, model.id),
    "sweep.html": await sweepReport(about),
  };
}

/** A cell stays empty where there is no number. */
function csv(rows: readonly unknown[], columns: string[]): string {
  const finite = (value: unknown) => Number.isNaN(value) ? "" : value;
  return stringify(
    (rows as Record<string, unknown>[]).map((row) =>
      Object.fromEntries(columns.map((name) => [name, finite(row[name])]))
    ),
    { columns },
  );
}
