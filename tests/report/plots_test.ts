import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { barPlot } from "../../lib/report/bar_plot.ts";
import { linePlot } from "../../lib/report/line_plot.ts";

/** Points of a path that is drawn with M and L only, a list for each M. */
function pathPoints(svg: string, name: string): [number, number][][] {
  return [...svg.matchAll(new RegExp(`class="${name}" d="([^"]*)"`, "g"))].flatMap(([, d]) =>
    d.replaceAll("Z", "").split("M").slice(1).map((run) =>
      run.split("L").map((point) => point.split(" ").map(Number) as [number, number])
    )
  );
}

/** Where a plot's axes put their ticks, by label. */
function ticks(svg: string, axis: "x" | "y"): Map<string, number> {
  const anchor = axis === "x" ? "middle" : "end";
  const found = new Map<string, number>();
  for (
    const [, x, y, name] of svg.matchAll(/<text x="([^"]*)" y="([^"]*)" text-anchor="\w+">([^<]*)/g)
  ) {
    const at = axis === "x" ? Number(x) : Number(y) - 4;
    if (svg.includes(`<text x="${x}" y="${y}" text-anchor="${anchor}">`)) found.set(name, at);
  }
  return found;
}

Deno.test("linePlot puts points where its ticks say", () => {
  const svg = linePlot([{ label: "loss", x: [0, 5, 10], y: [2, 8, 4] }], { title: "A loss" });
  const [points] = pathPoints(svg, "line");
  const [x, y] = [ticks(svg, "x"), ticks(svg, "y")];
  assertEquals(points.map(([at]) => at).slice(0, 3), [
    x.get("0")!,
    (x.get("0")! + x.get("10")!) / 2,
    x.get("10")!,
  ]);
  assertEquals(points.map(([, at]) => at), [y.get("2")!, y.get("8")!, y.get("4")!]);
  assert(y.has("0"), "a linear axis includes zero");
});

Deno.test("linePlot with a logarithmic axis puts factors of ten at equal distances", () => {
  const y = [1e-3, 1e-2, 1, 0, 10];
  const svg = linePlot([{ label: "a", x: [1, 2, 3, 4, 5], y }], { title: "t", logY: true });
  const runs = pathPoints(svg, "line");
  assertEquals(runs.length, 1);
  const [[, a], [, b], [, c]] = runs[0];
  assertAlmostEquals((b - c) / (a - b), 2, 1e-3);
  // The zero interrupts the curve; what is behind it stands alone.
  assertEquals([...svg.matchAll(/<circle/g)].length, 1);
});

Deno.test("linePlot interrupts a curve at values that are not finite", () => {
  const y = [1, 2, NaN, 3, Infinity, 4, 5];
  const svg = linePlot([{ label: "a", x: y.map((_, i) => i), y }], { title: "t" });
  assertEquals(pathPoints(svg, "line").map((run) => run.length), [2, 2]);
  assertEquals([...svg.matchAll(/<circle/g)].length, 1);
  assert(!/NaN|Infinity|undefined/.test(svg));
});

Deno.test("linePlot draws nothing, one point and equal points", () => {
  for (const y of [[], [NaN], [NaN, NaN]]) {
    const svg = linePlot([{ label: "a", x: y.map((_, i) => i), y }], { title: "t" });
    assertMatch(svg, /no data/);
  }
  for (const logY of [false, true]) {
    for (const y of [[0.5], [3, 3], [0, 0], [-1, -1], [0, 2]]) {
      const svg = linePlot([{ label: "a", x: y.map((_, i) => i + 1), y }], { title: "t", logY });
      assert(!/NaN|Infinity|undefined/.test(svg), svg);
    }
  }
});

Deno.test("linePlot thins a long curve and keeps its extremes in the band", () => {
  const steps = 100_000;
  const y = Float64Array.from({ length: steps }, (_, i) => 1 + i / steps);
  y[54_321] = 9;
  const x = Float64Array.from(y, (_, i) => i);
  const svg = linePlot([{ label: "a", x, y }], { title: "t" });
  assert(svg.length < 20_000, `${svg.length} characters`);
  const line = pathPoints(svg, "line").flat();
  const band = pathPoints(svg, "band").flat();
  const top = (points: [number, number][]) => Math.min(...points.map(([, y]) => y));
  const at = ticks(svg, "y");
  const nine = at.get("0")! + (at.get("5")! - at.get("0")!) * 1.8;
  assertAlmostEquals(top(band), nine, 0.02);
  assert(top(line) > top(band) + 50, "the mean hardly moves");
});

Deno.test("linePlot has a legend for several curves, and escapes its words", () => {
  const curve = { x: [0, 1], y: [0, 1] };
  const series = ["<b>", "other"].map((label) => ({ label, ...curve }));
  const svg = linePlot(series, { title: `a "title" & more`, description: "<i>", xLabel: "x<" });
  assertMatch(svg, /&lt;b&gt;<\/text>/);
  assertMatch(svg, /aria-label="a &quot;title&quot; &amp; more. &lt;i&gt;"/);
  assertMatch(svg, /<title>a &quot;title&quot; &amp; more<\/title>\n<desc>&lt;i&gt;<\/desc>/);
  assert(!svg.includes("<b>") && !svg.includes("<i>"));
  assert(!linePlot([{ label: "only", ...curve }], { title: "t" }).includes("only"));
});

const looks = (svg: string) =>
  [...svg.matchAll(
    /h16" style="stroke:([^"]*)"[^>]*?(?:stroke-dasharray="([^"]*)" )?stroke-width/g,
  )]
    .map(([, colour, dash]) => `${colour} ${dash ?? ""}`);

Deno.test("linePlot gives each of many curves a look of its own", () => {
  const series = Array.from({ length: 20 }, (_, i) => ({ label: `${i}`, x: [0, 1], y: [0, i] }));
  const own = looks(linePlot(series, { title: "t" }));
  assertEquals([own.length, new Set(own).size], [20, 20]);
  const shared = series.map((curve, i) => ({ ...curve, colour: i >> 1, dash: i & 1 }));
  const [a, b, c] = looks(linePlot(shared, { title: "t" }));
  assertEquals(b, `${a}6 4`);
  assert(a.endsWith(" ") && c.endsWith(" ") && a !== c, `${a} ${c}`);
});

Deno.test("linePlot refuses curves whose x and y differ in length", () => {
  assertThrows(
    () => linePlot([{ label: "a", x: [1, 2], y: [1] }], { title: "t" }),
    RangeError,
    "series a has 2 x and 1 y, expected as many",
  );
});

/** The bars of a plot: left, top, width, height. */
function bars(svg: string): number[][] {
  return [...svg.matchAll(/<rect x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"/g)]
    .map(([, ...numbers]) => numbers.map(Number));
}

Deno.test("barPlot gives bars the heights of their counts and the places of their edges", () => {
  const svg = barPlot({ edges: [0, 1, 2, 4], counts: [4, 0, 10] }, { title: "t" });
  const [[left, , width, height], [left2, top2, width2, height2]] = bars(svg);
  assertEquals(bars(svg).length, 2);
  assertAlmostEquals(height2 / height, 2.5, 1e-3);
  assertEquals(top2, ticks(svg, "y").get("10"));
  const x = ticks(svg, "x");
  assertAlmostEquals(left, x.get("0")! + 0.5, 0.01);
  assertAlmostEquals(left + width, x.get("1")! - 0.5, 0.01);
  assertAlmostEquals(left2, x.get("2")! + 0.5, 0.01);
  assertAlmostEquals(width2, 2 * width + 1, 0.03);
  assertMatch(svg, /<title>2 to 4: 10<\/title>/);
});

Deno.test("barPlot with a logarithmic axis gives equal factors equal widths", () => {
  const svg = barPlot({ edges: [1e-4, 1e-3, 1e-2, 1e-1], counts: [1, 2, 3] }, {
    title: "t",
    logX: true,
  });
  const widths = bars(svg).map(([, , width]) => width);
  assertAlmostEquals(widths[1], widths[0], 0.02);
  assertAlmostEquals(widths[2], widths[0], 0.02);
  assert(ticks(svg, "x").has("10⁻³"));
});

Deno.test("barPlot points a value out where it lies inside", () => {
  const bins = { edges: [0, 1, 2], counts: [1, 1] };
  const inside = barPlot(bins, { title: "t", mark: { x: 1.5, label: "mean <1.5>" } });
  assertMatch(inside, /mean &lt;1.5&gt;/);
  const outside = barPlot(bins, { title: "t", mark: { x: 3, label: "mean" } });
  assert(!outside.includes("mean"));
});

Deno.test("barPlot draws nothing where there is nothing, and refuses wrong edges", () => {
  for (const bins of [{ edges: [], counts: [] }, { edges: [0, 1], counts: [0] }]) {
    assertMatch(barPlot(bins, { title: "t" }), /no data/);
  }
  assertThrows(
    () => barPlot({ edges: [0, 1], counts: [1, 2] }, { title: "t" }),
    RangeError,
    "there are 2 edges and 2 counts, expected one edge more",
  );
});
