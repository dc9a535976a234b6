// The results of a run as text for a terminal, Markdown and JSON.
import type { Row } from "./peer.ts";

/** The rows of one check. */
export interface CheckResult {
  name: string;
  title: string;
  rows: Row[];
  seconds: number;
}

/** The outcome of a row. */
export type Outcome = "ok" | "failed" | "explained" | "measured";

/** A row passes if its difference is within its limit; NaN never is. */
export function outcomeOf({ difference, limit, reason, measured }: Row): Outcome {
  if (difference === undefined) return measured === undefined ? "failed" : "measured";
  if (limit !== undefined && difference <= limit) return "ok";
  return reason !== undefined && Number.isFinite(difference) ? "explained" : "failed";
}

/** Rows by outcome. */
export function countOutcomes(results: readonly CheckResult[]): Record<Outcome, number> {
  const counts = { ok: 0, explained: 0, measured: 0, failed: 0 };
  for (const row of results.flatMap(({ rows }) => rows)) counts[outcomeOf(row)]++;
  return counts;
}

/** A row on one line. */
export function rowText(row: Row): string {
  return `  ${outcomeOf(row).padEnd(9)} ${cellsOf(row).filter((cell) => cell !== "").join("  ")}`;
}

/** A table for each check. */
export function markdownOf(results: readonly CheckResult[]): string {
  return results.map(({ title, rows }) => {
    const lines = rows.map((row) => [...cellsOf(row), outcomeOf(row)]);
    const table = [["check", "difference", "limit", "note", ""], ...lines].map((cells) =>
      `| ${cells.map((cell) => cell.replace(/\s+/g, " ").replaceAll("|", "\\|")).join(" | ")} |`
    );
    table.splice(1, 0, "| --- | --- | --- | --- | --- |");
    return `### ${title}\n\n${table.join("\n")}\n`;
  }).join("\n");
}

function cellsOf({ check, difference, limit, reason, measured, note }: Row): string[] {
  return [
    check,
    measured ?? (difference === undefined ? "no number" : short(difference)),
    limit === undefined ? "" : short(limit),
    [note, reason].filter((text) => text !== undefined).join("; "),
  ];
}

function short(number: number): string {
  return number === 0 || !Number.isFinite(number) ? `${number}` : number.toExponential(1);
}
