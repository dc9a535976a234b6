import type { SweepRow } from "../sweep/sweep_row.ts";
import { escapeMarkdown } from "./escape.ts";
import type { Figure } from "./figure.ts";
import { csv, plotFiles } from "./files.ts";
import { formatNumber } from "../format_number.ts";
import { figureGrid, page, type ReportAbout, section, settingsTable, table } from "./page.ts";
import { atEqualL0, type EqualL0 } from "../sweep/equal_l0.ts";
import { paretoPlot, plotsByK, plotsBySize } from "./sweep_plots.ts";

/** What a report on a sweep tells. */
export interface SweepReport extends ReportAbout {
  /** The language model and the hook. */
  model: { id: string; hook: string };
  /** The SAEs. */
  rows: SweepRow[];
}

/** Columns of sweep.csv. */
const COLUMNS: (keyof SweepRow)[] = [
  ...["name", "architecture", "dictSize", "k", "targetL0", "sparsityCoefficient"] as const,
  ...["variant", "seed", "steps", "nmse", "explainedVariance", "l0", "mse", "ceClean"] as const,
  ...["ceSpliced", "ceZeroAblated", "ceMeanAblated", "ceDegradation"] as const,
  ...["ceRecoveredFromZero", "ceRecoveredFromMean", "deadLatents", "leftOut"] as const,
  ...["nmseAll", "l0All", "warnings"] as const,
];

/** Columns of equal_l0.csv. */
const EQUAL_COLUMNS: (keyof EqualL0)[] = [
  ...["dictSize", "l0", "of", "label", "between", "nmse", "ceDegradation"] as const,
];

const HEAD = [
  ...["Name", "Model", "Dict. size", "L0", "MSE (Σ over d)", "CELR Zero", "CELR Mean"],
  ...["NMSE", "CE degradation"],
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
  return {
    ...await plotFiles([...plotsBySize(rows), ...plotsByK(rows), paretoPlot(rows)]),
    "sweep.csv": csv(rows, COLUMNS),
    ...(equal.length > 0 ? { "equal_l0.csv": csv(equal, EQUAL_COLUMNS) } : {}),
    "table2.md": propertiesMarkdown(rows, model.id),
    "sweep.html": await sweepReport(about),
  };
}

/** The properties of a sweep's SAEs in the columns of Table 2, and NMSE and CE degradation. */
function propertiesTable(rows: readonly SweepRow[], model: string): string[][] {
  return rows.map((row) => [
    ...[row.name, model, String(row.dictSize), decimals(row.l0, 1)],
    formatNumber(Number(row.mse.toPrecision(3))),
    ...[decimals(row.ceRecoveredFromZero, 3), decimals(row.ceRecoveredFromMean, 3)],
    ...[decimals(row.nmse, 4), decimals(row.ceDegradation, 4)],
  ]);
}

const decimals = (value: number, count: number): string =>
  Number.isFinite(value) ? value.toFixed(count) : "–";

/** The table of properties as Markdown. */
export function propertiesMarkdown(rows: readonly SweepRow[], model: string): string {
  const line = (cells: string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const rule = HEAD.map((_, i) => i < 2 ? "---" : "---:");
  const about = "CELR: share of the cross-entropy lost by zero or mean ablation that the SAE " +
    "recovers. MSE: mean over samples of the sum over dimensions. CE degradation: nats per token.";
  const lines = [HEAD, rule, ...propertiesTable(rows, model)].map(line);
  return `${lines.join("\n")}\n\n${about}\n`;
}

/** Writes a report on a sweep: one HTML page that needs nothing else. */
export async function sweepReport(
  { date, device, model, rows, settings }: SweepReport,
): Promise<string> {
  const equal = equalL0Table(atEqualL0(rows));
  const pareto: Figure = await paretoPlot(rows);
  const differing = rows.filter(({ leftOut }) => leftOut !== undefined);
  const warned = rows.filter(({ warnings }) => warnings);
  return page(`${rows.length} SAEs on ${model.id} at ${model.hook}`, [device, date], [
    section("By dictionary size", await figureGrid(plotsBySize(rows))),
    section("By active latents", await figureGrid(plotsByK(rows))),
    section(
      "Sparsity against reconstruction",
      `<figure class="broad">\n${pareto.svg}\n</figure>`,
    ),
    section(
      "At equal L0",
      table(
        "At the measured L0 of each SAE that was told k or a target; the other kinds are " +
          "read off their curve, straight in log L0 between the two with L0 next to it",
        equal.head,
        equal.rows,
      ),
    ),
    section(
      "The SAEs",
      table("Measured on held-out text", HEAD, propertiesTable(rows, model.id)),
      table(
        "With the activations that were excluded as massive, and without",
        ["Name", "Excluded", "NMSE", "NMSE of all", "L0", "L0 of all"],
        differing.map(({ name, leftOut, nmse, nmseAll, l0, l0All }) => [
          ...[name, formatNumber(leftOut!), decimals(nmse, 4), decimals(nmseAll!, 4)],
          ...[decimals(l0, 1), decimals(l0All!, 1)],
        ]),
      ),
    ),
    section(
      "Warnings",
      table(
        "What went wrong in training; the messages are in each SAE's metadata",
        ["Name", "Warnings"],
        warned.map(({ name, warnings }) => [name, warnings!.replaceAll("_", " ")]),
        false,
      ),
    ),
    section("What all have in common", settingsTable(settings)),
  ]);
}

/**
 * {@linkcode atEqualL0} as a table: a row for each size and L0, NMSE and CE degradation of each kind
 * beside each other.
 *
 * @returns Headings, and rows of text.
 */
export function equalL0Table(equal: readonly EqualL0[]): { head: string[]; rows: string[][] } {
  const kinds = [...Map.groupBy(equal, ({ label }) => label)];
  const shown = (value: number | undefined) =>
    value !== undefined && isFinite(value) ? value.toFixed(4) : "–";
  const heads = (measure: string) => kinds.map(([label]) => `${measure}, ${label}`);
  const rows = [...Map.groupBy(equal, ({ of, dictSize }) => `${of} ${dictSize}`).values()].map(
    (own) => {
      const values = kinds.map(([label]) => own.find((at) => at.label === label));
      return [
        ...[`${own[0].dictSize}`, own[0].l0.toFixed(1), own[0].of],
        ...values.map((at) => shown(at?.nmse)),
        ...values.map((at) => shown(at?.ceDegradation)),
      ];
    },
  );
  const head = ["Dict. size", "L0", "L0 of", ...heads("NMSE"), ...heads("CE degradation")];
  return { head, rows };
}
