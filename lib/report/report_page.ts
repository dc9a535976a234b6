import { VERSION } from "../version.ts";
import { escapeHtml } from "./escape_html.ts";
import type { Figure } from "./figure.ts";
import { REPORT_STYLE } from "./report_style.ts";

/** A whole page from its parts; empty ones are left out. It may load nothing and run no script. */
export function reportPage(title: string, parts: string[]): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
${parts.filter((part) => part).join("\n")}
</main>
<footer>Made by saewing ${escapeHtml(VERSION)}.</footer>
</body>
</html>
`;
}

/** The head of a page: its title, and what it is about, in short facts. */
export function pageHead(title: string, facts: readonly string[]): string {
  const about = facts.map((fact) => `<span>${escapeHtml(fact)}</span>`).join(" ");
  return `<h1>${escapeHtml(title)}</h1>\n<p class="about">${about}</p>`;
}

/** The numbers that matter most, each with a name and a note. */
export function headlineNumbers(numbers: readonly (readonly string[])[]): string {
  const tiles = numbers.map((number) => {
    const [name, value, note] = number.map(escapeHtml);
    return `<div><dt>${name}</dt><dd>${value} <small>${note}</small></dd></div>`;
  });
  return `<dl class="numbers">\n${tiles.join("\n")}\n</dl>`;
}

/** A part of a page under a heading. */
export function section(name: string, contents: string): string {
  return `<section>\n<h2>${escapeHtml(name)}</h2>\n${contents}\n</section>`;
}

/** Figures beside each other, as many in a row as there is room for. */
export async function figureGrid(
  figures: readonly (Figure | Promise<Figure>)[],
): Promise<string> {
  const framed = (await Promise.all(figures)).map(({ svg }) => `<figure>\n${svg}\n</figure>`);
  return `<div class="plots">\n${framed.join("\n")}\n</div>\n`;
}

/** A paragraph of plain text. */
export function paragraph(words: string): string {
  return `<p>${escapeHtml(words)}</p>\n`;
}
