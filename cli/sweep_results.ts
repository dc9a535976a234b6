import { stringify } from "@std/csv";
import { join } from "@std/path";
import { atEqualL0, type EqualL0 } from "../lib/report/equal_l0.ts";
import {
  propertiesMarkdown,
  sweepPlots,
  type SweepReport,
  sweepReport,
} from "../lib/report/sweep_report.ts";
import type { SweepRow } from "../lib/report/sweep_row.ts";
import type { OutputFolder } from "./output_folder.ts";
import type { CellState } from "./sweep_cell.ts";
import type { Cell } from "./sweep_grid.ts";

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

/** The row of a cell that was measured. */
export function rowOf({ name, variant, options }: Cell, state: CellState): SweepRow {
  const { evaluation, crossEntropy } = state.measured!;
  const { nmse, explainedVariance, l0, mse, deadLatents } = evaluation;
  const { clean, spliced, zeroAblated, meanAblated } = crossEntropy;
  return {
    ...{ name, variant, architecture: options.architecture, dictSize: options.dictSize! },
    k: options.k,
    targetL0: options.targetL0,
    sparsityCoefficient: (options as { sparsityCoefficient?: number }).sparsityCoefficient,
    ...{ seed: options.seed ?? 0, steps: state.trained.steps },
    ...{ nmse, explainedVariance, l0, mse },
    ...{ ceClean: clean, ceSpliced: spliced },
    ...{ ceZeroAblated: zeroAblated, ceMeanAblated: meanAblated },
    ceDegradation: crossEntropy.degradation,
    ceRecoveredFromZero: crossEntropy.recoveredFromZero,
    ceRecoveredFromMean: crossEntropy.recoveredFromMean,
    deadLatents,
    ...(evaluation.all
      ? { leftOut: evaluation.leftOut, nmseAll: evaluation.all.nmse, l0All: evaluation.all.l0 }
      : {}),
    warnings: state.trained.warnings?.join(" ") ?? "",
  };
}

/** Writes table, plots and page of a sweep; those of fewer SAEs that it goes on from are removed. */
export async function writeSweepResults(
  folder: OutputFolder,
  rows: SweepRow[],
  about: Omit<SweepReport, "rows">,
): Promise<{ report: string; table: string }> {
  const table = propertiesMarkdown(rows, about.model.id);
  const equal = atEqualL0(rows);
  const csv = (rows: unknown, columns: string[]) =>
    stringify(rows as Record<string, unknown>[], { columns });
  const plots = await Promise.all(sweepPlots(rows));
  const texts: Record<string, string> = {
    ...Object.fromEntries(plots.map(({ name, svg }) => [`plots/${name}.svg`, svg])),
    "sweep.csv": csv(rows, COLUMNS),
    ...(equal.length > 0 ? { "equal_l0.csv": csv(equal, EQUAL_COLUMNS) } : {}),
    "table2.md": table,
    "sweep.html": await sweepReport({ ...about, rows }),
  };
  await folder.write(texts);
  const isResult = (name: string) => !name.includes("/") || name.startsWith("plots/");
  await folder.remove((name) => isResult(name) && !(name in texts));
  return { report: join(folder.path, "sweep.html"), table };
}
