import { stringify } from "@std/csv";
import { join } from "@std/path";
import { replaceText } from "../lib/formats/replace_file.ts";
import { atEqualL0, type EqualL0 } from "../lib/report/equal_l0.ts";
import {
  propertiesMarkdown,
  sweepPlots,
  type SweepReport,
  sweepReport,
} from "../lib/report/sweep_report.ts";
import type { SweepRow } from "../lib/report/sweep_row.ts";
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

/** Writes table, plots and page of a sweep. */
export async function writeSweepResults(
  out: string,
  rows: SweepRow[],
  about: Omit<SweepReport, "rows">,
): Promise<{ report: string; table: string }> {
  const table = propertiesMarkdown(rows, about.model.id);
  const plots = join(out, "plots");
  const report = join(out, "sweep.html");
  await Deno.mkdir(plots, { recursive: true });
  for (const { name, svg } of sweepPlots(rows)) await replaceText(join(plots, `${name}.svg`), svg);
  await replaceText(
    join(out, "sweep.csv"),
    stringify(rows as unknown as Record<string, unknown>[], { columns: COLUMNS }),
  );
  const equal = atEqualL0(rows);
  if (equal.length > 0) {
    await replaceText(
      join(out, "equal_l0.csv"),
      stringify(equal as unknown as Record<string, unknown>[], { columns: EQUAL_COLUMNS }),
    );
  }
  await replaceText(join(out, "table2.md"), table);
  await replaceText(report, sweepReport({ ...about, rows }));
  return { report, table };
}
