import { stringify } from "@std/csv";
import type { Figure } from "./figure.ts";

/** A row of a CSV file. */
export type Row = Record<string, unknown>;

/**
 * Rows as CSV; a cell stays empty where there is no number. Spreadsheets run text that begins like a formula:
 * a quote in front makes it text.
 *
 * @param columns Default those of the first row; without rows the text is empty then.
 */
export function csv(
  rows: readonly object[],
  columns: readonly string[] = Object.keys(rows[0] ?? {}),
): string {
  const cell = (value: unknown) => {
    if (typeof value === "number") return Number.isFinite(value) ? value : "";
    return typeof value === "string" && /^[=+\-@\t]/.test(value) ? `'${value}` : value;
  };
  const cells = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cell(value)]))
  );
  return columns.length > 0 ? stringify(cells, { columns: [...columns] }) : "";
}

/** Figures as files in plots/, by their paths. */
export async function plotFiles(
  figures: readonly Promise<Figure>[],
): Promise<Record<string, string>> {
  const drawn = await Promise.all(figures);
  return Object.fromEntries(drawn.map(({ name, svg }) => [`plots/${name}.svg`, svg]));
}
