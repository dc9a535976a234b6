import { escapeHtml } from "./escape_html.ts";

/**
 * An HTML table. The first cell of a row is its heading.
 *
 * @param caption Says what the table holds, above it.
 * @param head Headings of the columns; none where the rows speak for themselves.
 * @param rows Text of the cells, which is escaped here.
 * @param numeric Whether all cells but the first are numbers, to be aligned to the right.
 */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric = true,
): string {
  const cells = (row: readonly string[]): string =>
    row.map((cell, i) =>
      i === 0 ? `<th scope="row">${escapeHtml(cell)}</th>` : `<td>${escapeHtml(cell)}</td>`
    ).join("");
  const headings = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join("");
  // Sentences beside short words: without widths the words would be broken to make room.
  const kind = numeric ? ' class="numeric"' : head.length > 2 ? ' class="prose"' : "";
  return `<div class="wide"><table${kind}>` +
    `<caption>${escapeHtml(caption)}</caption>\n` +
    (head.length > 0 ? `<thead><tr>${headings}</tr></thead>\n` : "") +
    `<tbody>\n${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}\n</tbody></table></div>`;
}
