import { VERSION } from "../version.ts";
import { escapeHtml } from "./escape_html.ts";
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

/** A part of a page under a heading. */
export function section(name: string, contents: string): string {
  return `<section>\n<h2>${escapeHtml(name)}</h2>\n${contents}\n</section>`;
}
