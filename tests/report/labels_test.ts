import { assert, assertEquals } from "@std/assert";
import { layOutLegend } from "../../lib/report/legend.ts";
import { linePlot } from "../../lib/report/line_plot.ts";

// Widths in a wide font, DejaVu Sans of 12 pixels: digits 7.6, minus 10.1, letters 7.2 on average.
const width = (label: string) =>
  [...label].reduce((sum, c) => sum + (c === "−" ? 10.1 : /[\d.]/.test(c) ? 7.6 : 7.2), 0);

/** Labels of a plot's axes, by their anchor. */
const labels = (svg: string, anchor: string) =>
  [...svg.matchAll(/<text x="([^"]*)" y="[^"]*" text-anchor="(\w+)">([^<]*)/g)]
    .filter(([, , found]) => found === anchor).map(([, x, , name]) => ({ x: Number(x), name }));

Deno.test("names of ticks keep off the name of their axis", () => {
  for (const y of [[0, -9], [200, 230], [-1e-5, 1e-5], [0, -25_000]]) {
    const svg = linePlot([{ label: "a", x: [1, 2], y }], {
      title: "t",
      yLabel: "y",
      fromZero: false,
    });
    const names = labels(svg, "end");
    assert(names.length > 1);
    // The axis' name stands on end: its letters reach from 4 to 17 pixels.
    for (const { x, name } of names) {
      assert(x - width(name) > 20, `${name} begins at ${x - width(name)}`);
    }
  }
});

Deno.test("names of ticks are not written into each other", () => {
  const range = [0.0011, 0.0105, 0.0987];
  for (const [x, xTicks] of [[range], [[3, 2000]], [[1, 1000], [1, 990, 1000]]]) {
    const y = x.map(() => 1);
    const svg = linePlot([{ label: "a", x, y }], { title: "t", logX: true, xTicks, width: 320 });
    const names = labels(svg, "middle").filter(({ name }) => /^[\d.⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+$/.test(name));
    assert(names.length > 1, svg);
    names.slice(1).forEach(({ x, name }, i) => {
      const before = names[i];
      const gap = x - width(name) / 2 - before.x - width(before.name) / 2;
      assert(gap > 2, `${before.name} and ${name}: ${gap}`);
    });
  }
});

Deno.test("names of a legend keep apart, and a long one loses its middle", () => {
  const long = `jumprelu ${"bandwidth0.2_".repeat(8)}threshold0.5`;
  const names = ["batchtopk", "jumprelu, read at their L0", "topk 12288", long, "relu"];
  const drawn = layOutLegend(names).draw(() => "");
  const placed = [...drawn.matchAll(/<text x="([^"]*)" y="([^"]*)">([^<]*)/g)]
    .map(([, x, y, name]) => ({ x: Number(x), y: Number(y), name }));
  assertEquals(placed.length, names.length);
  placed.forEach(({ x, y, name }, i) => {
    assert(x + width(name) <= 480, `${name} ends at ${x + width(name)}`);
    const next = placed[i + 1];
    // A mark of 16 pixels stands before the name.
    if (next?.y === y) assert(x + width(name) + 4 < next.x - 22, name);
  });
  assert(/^jumprelu bandw.*….*threshold0\.5$/.test(placed[3].name), placed[3].name);
});
