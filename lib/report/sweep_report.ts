import { atEqualL0, type EqualL0, equalL0Table } from "./equal_l0.ts";
import { escapeMarkdown } from "./escape_markdown.ts";
import type { Figure } from "./figure.ts";
import { formatNumber } from "./format_number.ts";
import { figureGrid, pageHead, reportPage, section } from "./report_page.ts";
import { settingsTable } from "./settings_table.ts";
import { paretoPlot, plotsByK, plotsBySize } from "./sweep_plots.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";
import { table } from "./table.ts";

/** What a report on a sweep tells. */
export interface SweepReport {
  /** When it ran, as the reader should see it. */
  date: string;
  /** Name of the GPU that it ran on. */
  device: string;
  /** The language model and the hook. */
  model: { id: string; hook: string };
  /** The SAEs. */
  rows: SweepRow[];
  /** What all SAEs have in common, shown as it is. */
  settings: Record<string, unknown>;
}

const HEAD = [
  ...["Name", "Model", "Dict. size", "L0", "MSE (Σ over d)", "CELR Zero", "CELR Mean"],
  ...["NMSE", "CE degradation"],
];

/** The properties of a sweep's SAEs in the columns of Table 2, and NMSE and CE degradation. */
export function propertiesTable(rows: readonly SweepRow[], model: string): string[][] {
  const digits = (value: number, count: number) =>
    Number.isFinite(value) ? value.toFixed(count) : "–";
  return rows.map((row) => [
    row.name,
    model,
    String(row.dictSize),
    digits(row.l0, 1),
    formatNumber(Number(row.mse.toPrecision(3))),
    digits(row.ceRecoveredFromZero, 3),
    digits(row.ceRecoveredFromMean, 3),
    digits(row.nmse, 4),
    digits(row.ceDegradation, 4),
  ]);
}

/** {@linkcode propertiesTable} as Markdown. */
export function propertiesMarkdown(rows: readonly SweepRow[], model: string): string {
  const line = (cells: string[]) => `| ${cells.map(escapeMarkdown).join(" | ")} |`;
  const rule = HEAD.map((_, i) => i < 2 ? "---" : "---:");
  const about = "CELR: share of the cross-entropy lost by zero or mean ablation that the SAE " +
    "recovers. MSE: mean over samples of the sum over dimensions. CE degradation: nats per token.";
  const lines = [HEAD, rule, ...propertiesTable(rows, model)].map(line);
  return `${lines.join("\n")}\n\n${about}\n`;
}

/** Measures with massive activations beside those without, of SAEs for which some were left out. */
function massiveTable(rows: readonly SweepRow[]): string {
  const differing = rows.filter(({ leftOut }) => leftOut !== undefined);
  if (differing.length === 0) return "";
  return table(
    "With the activations that were left out as massive, and without",
    ["Name", "Left out", "NMSE", "NMSE of all", "L0", "L0 of all"],
    differing.map(({ name, leftOut, nmse, nmseAll, l0, l0All }) => [
      name,
      formatNumber(leftOut!),
      nmse.toFixed(4),
      nmseAll!.toFixed(4),
      l0.toFixed(1),
      l0All!.toFixed(1),
    ]),
  );
}

/** All figures of a sweep. */
export function sweepPlots(rows: readonly SweepRow[]): Promise<Figure>[] {
  return [...plotsBySize(rows), ...plotsByK(rows), paretoPlot(rows)];
}

/** Writes a report on a sweep: one HTML page that needs nothing else. */
export async function sweepReport(
  { date, device, model, rows, settings }: SweepReport,
): Promise<string> {
  const title = `${rows.length} SAEs on ${model.id} at ${model.hook}`;
  const [bySize, byK, equal] = [plotsBySize(rows), plotsByK(rows), atEqualL0(rows)];
  const sections = [
    pageHead(title, [device, date]),
    bySize.length > 0 ? section("By dictionary size", await figureGrid(bySize)) : "",
    byK.length > 0 ? section("By active latents", await figureGrid(byK)) : "",
    section(
      "Sparsity against reconstruction",
      `<figure class="broad">\n${(await paretoPlot(rows)).svg}\n</figure>`,
    ),
    equal.length > 0 ? section("At equal L0", equalL0Figure(equal)) : "",
    section(
      "The SAEs",
      table("Measured on held-out text", HEAD, propertiesTable(rows, model.id)) +
        massiveTable(rows),
    ),
    warningsTable(rows),
    section("What all have in common", settingsTable(settings)),
  ];
  return reportPage(title, sections);
}

function equalL0Figure(equal: readonly EqualL0[]): string {
  const { head, rows } = equalL0Table(equal);
  const caption =
    "At the measured L0 of each SAE that was told k or a target; the other kinds are " +
    "read off their curve, straight in log L0 between the two with L0 next to it";
  return table(caption, head, rows);
}

function warningsTable(rows: readonly SweepRow[]): string {
  const warned = rows.filter(({ warnings }) => warnings)
    .map(({ name, warnings }) => [name, warnings!.replaceAll("_", " ")]);
  const caption = "What went wrong in training; the messages are in each SAE's metadata";
  return warned.length > 0
    ? section("Warnings", table(caption, ["Name", "Warnings"], warned, false))
    : "";
}
