import { VERSION } from "../version.ts";
import { escapeHtml } from "./escape.ts";
import type { Figure } from "./figure.ts";
import { PAGE_STYLE } from "./page_style.ts";

/** What every report tells of its run. */
export interface ReportAbout {
  /** When it ran, as the reader should see it. */
  date: string;
  /** Name of the device that it ran on. */
  device: string;
  /** Settings by name, shown as they are. */
  settings: Record<string, unknown>;
}

/** A whole page from its parts; empty ones are omitted. It may load nothing and run no script. */
export function page(title: string, facts: readonly string[], parts: readonly string[]): string {
  const about = facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join(" ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="about">${about}</p>
${parts.filter((part) => part).join("\n")}
</main>
<footer>Made by saewing ${escapeHtml(VERSION)}.</footer>
</body>
</html>
`;
}

/** The numbers that matter most, each with a name and a note. */
export function headlineNumbers(numbers: readonly (readonly string[])[]): string {
  const tiles = numbers.map((number) => {
    const [name, value, note] = number.map(escapeHtml);
    return `<div><dt>${name}</dt><dd>${value} <small>${note}</small></dd></div>`;
  });
  return `<dl class="numbers">\n${tiles.join("\n")}\n</dl>`;
}

/** A part of a page under a heading; nothing where it has no contents. */
export function section(name: string, ...contents: readonly string[]): string {
  const all = contents.join("");
  return all && `<section>\n<h2>${escapeHtml(name)}</h2>\n${all}\n</section>`;
}

/** Figures beside each other, as many in a row as there is room for; nothing where there are none. */
export async function figureGrid(
  figures: readonly (Figure | Promise<Figure>)[],
): Promise<string> {
  const framed = (await Promise.all(figures)).map(({ svg }) => `<figure>\n${svg}\n</figure>`);
  return framed.length > 0 ? `<div class="plots">\n${framed.join("\n")}\n</div>\n` : "";
}

/** A paragraph of plain text. */
export function paragraph(words: string): string {
  return `<p>${escapeHtml(words)}</p>\n`;
}

/**
 * An HTML table; nothing where it has no rows. The first cell of a row is its heading.
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
  if (rows.length === 0) return "";
  // Small screens show rows of sentences as blocks, where the headings are far away.
  const blocks = !numeric && head.length > 2;
  const label = (i: number) => blocks ? ` data-head="${escapeHtml(head[i])}"` : "";
  const cells = (row: readonly string[]): string =>
    row.map((cell, i) =>
      i === 0 ? `<th scope="row">${breakable(cell)}</th>` : `<td${label(i)}>${breakable(cell)}</td>`
    ).join("");
  const headings = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`).join("");
  // Sentences beside short words: without widths the words would be broken to make room.
  const kind = numeric ? ' class="numeric"' : blocks ? ' class="prose"' : "";
  return `<div class="wide"><table${kind}>` +
    `<caption>${escapeHtml(caption)}</caption>\n` +
    (head.length > 0 ? `<thead><tr>${headings}</tr></thead>\n` : "") +
    `<tbody>\n${rows.map((row) => `<tr>${cells(row)}</tr>`).join("\n")}\n</tbody></table></div>`;
}

/** Text of a cell: a long name may be broken after "_" and "/", a number stays with its "%". */
const breakable = (text: string): string =>
  escapeHtml(text).replace(/\w[_/](?=\w)/g, "$&<wbr>").replace(/(?<=\d) %/g, "&nbsp;%");

const LONGEST = 160;

/** The settings of a run as a table; undefined values and functions are omitted. */
export function settingsTable(settings: Record<string, unknown>): string {
  const rows = Object.entries(settings)
    .filter(([, value]) => value !== undefined && typeof value !== "function")
    .map(([name, value]) => {
      const words = typeof value === "object" && value !== null ? json(value) : String(value);
      return [name, words.length > LONGEST ? `${words.slice(0, LONGEST)}…` : words];
    });
  return table("Settings", [], rows, false);
}

// A setting may hold weights (a whole SAE to start from): their size says enough.
function json(value: object): string {
  try {
    return JSON.stringify(value, (_, part) => {
      if (ArrayBuffer.isView(part)) {
        const size = (part as Float32Array).length ?? part.byteLength;
        return `${part.constructor.name}(${size})`;
      }
      return typeof part === "bigint" ? String(part) : part;
    });
  } catch {
    return String(value);
  }
}
