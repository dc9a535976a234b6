import { assert, assertEquals, assertMatch } from "@std/assert";
import { architectureColour, colour, QUIET } from "../../lib/report/legend.ts";
import { figure } from "../../lib/report/figure.ts";
import { placeLegend } from "../../lib/report/legend.ts";
import { linePlot } from "../../lib/report/line_plot.ts";
import { readSvg } from "./read_svg.ts";

const EVIL = `"><script>alert('x')</script>\n]]>&amp;\u0000\ud800<!--`;

Deno.test("a figure of one's own has heading, axes and marks", async () => {
  const { name, title, svg } = await figure({
    ...{ title: "Mine", name: "mine", x: { label: "a" }, y: { label: "b" } },
    marks: (plot) => [plot.dot([[1, 2], [3, 4]])],
  });
  assertEquals([name, title], ["mine", "Mine"]);
  const { words, marks } = readSvg(svg);
  for (const word of ["Mine", "a", "b"]) assert(words.includes(word), word);
  assertEquals(marks("dot").length, 2);
  assertMatch(svg, /^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert(!svg.includes("<style"), "a style sheet would be the whole page's");
});

Deno.test("words of a figure are text, whatever they contain", async () => {
  const { svg } = await linePlot(
    [{ label: EVIL, x: [0, 1], y: [0, 1] }, { label: "b", x: [0, 1], y: [1, 0] }],
    { title: EVIL, description: EVIL, xLabel: EVIL, yLabel: EVIL },
  );
  assert(!svg.includes("<script") && !svg.includes("<!--") && !svg.includes("\u0000"));
  const { words, legend } = readSvg(svg);
  const line = EVIL.replace("\n", " ").replace("\u0000", "␀").replace("\ud800", "\ufffd");
  assertEquals(legend[0], line);
  assertEquals(words.filter((word) => word === line).length, 4);
});

Deno.test("a figure says what it shows", async () => {
  const { svg } = await figure({ title: "a < b", description: "c & d", marks: () => [] });
  assertMatch(svg, /role="img"/);
  assertMatch(svg, /aria-label="a &lt; b"/);
  assertMatch(svg, /aria-description="c &amp; d"/);
});

Deno.test("a figure shows itself in notebooks", async () => {
  const shown = await figure({ title: "t", marks: (plot) => [plot.dot([[1, 2]])] });
  const display = (shown as unknown as Record<symbol, () => Record<string, string>>)[
    Symbol.for("Jupyter.display")
  ];
  assertEquals(display()["image/svg+xml"], shown.svg);
  assert(display()["text/html"].includes(shown.svg));
});

Deno.test("what draws figures is loaded with the first of them, not with the library", async () => {
  for await (const entry of Deno.readDir(new URL("../../lib/report", import.meta.url))) {
    const text = await Deno.readTextFile(
      new URL(`../../lib/report/${entry.name}`, import.meta.url),
    );
    assert(!/^import [^;]*from "(@observablehq\/plot|linkedom)"/m.test(text), entry.name);
  }
});

Deno.test("an architecture has a colour of its own", () => {
  const known = ["batchtopk", "topk", "jumprelu", "relu", "matryoshka_batchtopk"];
  assertEquals(new Set(known.map(architectureColour)).size, known.length);
  assertEquals(architectureColour("toString"), QUIET);
  assertEquals(colour(0), colour(6));
});

Deno.test("names of a legend keep apart, and a long one loses its middle", () => {
  // Widths in a wide font, DejaVu Sans of 12 pixels: digits 7.6, letters 7.2 on average.
  const width = (label: string) =>
    [...label].reduce((sum, c) => sum + (/[\d.]/.test(c) ? 7.6 : 7.2), 0);
  const long = `jumprelu ${"bandwidth0.2_".repeat(8)}threshold0.5`;
  const names = ["batchtopk", "jumprelu, read at their L0", "topk 12288", long, "relu"];
  const { height, placed } = placeLegend(names.map((label) => ({ label, colour: "red" })), 480);
  assertEquals(placed.length, names.length);
  placed.forEach(({ x, y, label }, i) => {
    const end = x + 22 + width(label);
    assert(end <= 484, `${label} ends at ${end}`);
    assert(y < height);
    if (placed[i + 1]?.y === y) assert(end + 4 < placed[i + 1].x, label);
  });
  assertMatch(placed[3].label, /^jumprelu bandw.*….*threshold0\.5$/);
  assertEquals(placeLegend([], 480).height, 0);
});
