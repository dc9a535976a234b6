import { assert, assertEquals } from "@std/assert";
import { escapeHtml } from "../../lib/report/escape.ts";
import { escapeMarkdown } from "../../lib/report/escape.ts";
import { propertiesMarkdown } from "../../lib/report/sweep_report.ts";
import type { SweepRow } from "../../lib/sweep/sweep_row.ts";

// XML 1.0, production 2: what a document may have at all.
const isXml = (text: string) =>
  [...text].every((character) => {
    const code = character.codePointAt(0)!;
    return code === 9 || code === 10 || code === 13 || code >= 0x20 && code <= 0xd7ff ||
      code >= 0xe000 && code <= 0xfffd || code >= 0x10000;
  });

Deno.test("every character is one that XML has, after it is escaped", () => {
  const all = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code));
  assert(!isXml(all.join("x")));
  const escaped = all.map(escapeHtml);
  assert(isXml(escaped.join("x")));
  assert(!/[&<>"']/.test(escaped.join("").replace(/&(amp|lt|gt|quot|#39);/g, "")));
  assertEquals(escapeHtml("a\x00b\x1b[31m\u009b\ud800\uffff é\n\t𝑥"), "a␀b␛[31m��� é\n\t𝑥");
});

Deno.test("no text ends its cell, its row or its table in Markdown", () => {
  const cases: [string, string][] = [
    ["batchtopk_m128_k8", "batchtopk_m128_k8"],
    ["a|b", "a\\|b"],
    // A backslash in front of the bar would else undo its escape.
    ["a\\|b", "a\\\\\\|b"],
    ["one\ntwo\r\nthree\u2028four", "one two three four"],
    ["<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"],
    ["[link](http://x) `code` **bold**", "\\[link\\](http://x) \\`code\\` \\*\\*bold\\*\\*"],
    ["_x_ a_b", "\\_x\\_ a_b"],
    ["\x1b]0;title\x07", " \\]0;title "],
  ];
  for (const [text, wanted] of cases) assertEquals(escapeMarkdown(text), wanted);
});

Deno.test("a table of SAEs with hostile names has a line an SAE, and as many cells in each", () => {
  const names = ["a|b", "a\\|b", "a\nb", "a\\", "`|`"];
  const rows = names.map((name) => ({ name, dictSize: 8, l0: 1, mse: 1 })) as SweepRow[];
  const lines = propertiesMarkdown(rows, "m|o\nd\\").split("\n\n")[0].split("\n");
  assertEquals(lines.length, 2 + names.length);
  // A bar that is not escaped: after an even number of backslashes.
  const cells = (line: string) => line.match(/(?<=(?:^|[^\\])(?:\\\\)*)\|/g)!.length;
  for (const line of lines) assertEquals(cells(line), cells(lines[0]), line);
});
