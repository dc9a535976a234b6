import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { barPlot } from "../../lib/report/bar_plot.ts";
import { linePlot, type LinePlotOptions, type LineSeries } from "../../lib/report/line_plot.ts";
import { number, pathPoints, readSvg } from "./read_svg.ts";

async function drawLines(series: LineSeries[], options: Partial<LinePlotOptions> = {}) {
  return readSvg((await linePlot(series, { title: "t", ...options })).svg);
}

Deno.test("linePlot puts points where its ticks say", async () => {
  const { marks, ticks, legend, words } = await drawLines(
    [{ label: "loss", x: [0, 5, 10], y: [2, 8, 4] }],
    { title: "A loss", xLabel: "step", yLabel: "nats" },
  );
  const [points] = pathPoints(marks("line")[0]);
  const [x, y] = [ticks("x"), ticks("y")];
  assertEquals(points.map(([at]) => at), [
    x.get("0")!,
    (x.get("0")! + x.get("10")!) / 2,
    x.get("10")!,
  ]);
  assertEquals(points.map(([, at]) => at), [y.get("2")!, y.get("8")!, y.get("4")!]);
  assert(y.has("0"), "a linear axis includes zero");
  for (const word of ["A loss", "step", "nats"]) assert(words.includes(word), word);
  assertEquals(legend, []);
});

Deno.test("linePlot with a logarithmic axis puts factors of ten at equal distances", async () => {
  const y = [1e-3, 1e-2, 1, 0, 10];
  const { marks, ticks } = await drawLines([{ label: "a", x: [1, 2, 3, 4, 5], y }], { logY: true });
  // The zero interrupts the curve; what is behind it stands alone.
  const runs = pathPoints(marks("line")[0]);
  assertEquals(runs.map(({ length }) => length), [3, 1]);
  const [[, a], [, b], [, c]] = runs[0];
  assertAlmostEquals((b - c) / (a - b), 2, 1e-2);
  assertEquals([...ticks("y").keys()], ["0.001", "0.01", "0.1", "1", "10"]);
});

Deno.test("linePlot names each tick of a logarithmic axis", async () => {
  const xTicks = [8, 16, 6144];
  const { ticks, words } = await drawLines([{ label: "a", x: [7.9, 20, 7000], y: [30, 55, 700] }], {
    ...{ logX: true, logY: true, xTicks, xLabel: "k", yLabel: "loss" },
  });
  assertEquals([...ticks("x").keys()], ["8", "16", "6,144"]);
  assertEquals([...ticks("y").keys()], ["50", "100", "200", "500"]);
  for (const word of ["k", "loss"]) assertEquals(words.filter((each) => each === word), [word]);
});

Deno.test("linePlot interrupts a curve at values that are not finite", async () => {
  const y = [1, 2, NaN, 3, Infinity, 4, 5];
  const { marks } = await drawLines([{ label: "a", x: y.map((_, i) => i), y }]);
  assertEquals(pathPoints(marks("line")[0]).map((run) => run.length), [2, 1, 2]);
});

Deno.test("linePlot draws nothing, one point and equal points", async () => {
  for (const y of [[], [NaN], [NaN, NaN]]) {
    const { words, ticks } = await drawLines([{ label: "a", x: y.map((_, i) => i), y }]);
    assert(words.includes("no data"));
    assertEquals(ticks("y").size, 0);
  }
  assert((await drawLines([])).words.includes("no data"));
  for (const logY of [false, true]) {
    for (const y of [[0.5], [3, 3], [0, 0], [-1, -1], [0, 2]]) {
      const drawn = await drawLines([{ label: "a", x: y.map((_, i) => i + 1), y }], { logY });
      const places = y.filter((value) => !logY || value > 0).length;
      if (places > 0) assertEquals(pathPoints(drawn.marks("line")[0]).flat().length, places);
      else assert(drawn.words.includes("no data"));
    }
  }
});

Deno.test("linePlot thins a long curve and keeps its extremes in the band", async () => {
  const steps = 100_000;
  const y = Float64Array.from({ length: steps }, (_, i) => 1 + i / steps);
  y[54_321] = 9;
  const x = Float64Array.from(y, (_, i) => i);
  const { svg } = await linePlot([{ label: "a", x, y }], { title: "t" });
  assert(svg.length < 20_000, `${svg.length} characters`);
  const { marks, ticks } = readSvg(svg);
  const top = (kind: string) => Math.min(...pathPoints(marks(kind)[0]).flat().map(([, y]) => y));
  const at = ticks("y");
  const nine = at.get("0")! + (at.get("2")! - at.get("0")!) * 4.5;
  assertAlmostEquals(top("area"), nine, 0.05);
  assert(top("line") > top("area") + 50, "the mean hardly moves");
});

Deno.test("linePlot has a legend for several curves", async () => {
  const curve = { x: [0, 1], y: [0, 1] };
  const series = ["one", "other"].map((label) => ({ label, ...curve }));
  const both = await drawLines(series, { dots: true });
  assertEquals(both.legend, ["one", "other"]);
  assertEquals(both.marks("dot").length, 4);
  const own = await drawLines(series, { legend: [{ label: "both", colour: "red", dash: "" }] });
  assertEquals(own.legend, ["both"]);
});

Deno.test("linePlot gives each of many curves a look of its own", async () => {
  const series = Array.from({ length: 20 }, (_, i) => ({ label: `${i}`, x: [0, 1], y: [0, i] }));
  const { svg } = await linePlot(series, { title: "t" });
  const looks = [...svg.matchAll(/<g [^>]*aria-label="line"[^>]*>/g)].map(([group]) =>
    ["stroke", "stroke-dasharray"].map((name) => group.match(` ${name}="([^"]*)"`)?.[1]).join(" ")
  );
  assertEquals([looks.length, new Set(looks).size], [20, 20]);
});

Deno.test("linePlot refuses curves whose x and y differ in length", async () => {
  await assertRejects(
    () => linePlot([{ label: "a", x: [1, 2], y: [1] }], { title: "t" }),
    RangeError,
    "series a has 2 x and 1 y, expected as many",
  );
});

Deno.test("barPlot gives bars the heights of their counts and the places of their edges", async () => {
  const bins = { edges: [0, 1, 2, 4], counts: [4, 0, 10] };
  const { svg } = await barPlot(bins, { title: "t" });
  const { marks, ticks } = readSvg(svg);
  const bars = marks("rect");
  assertEquals(bars.length, 2);
  assertAlmostEquals(number(bars[1], "height") / number(bars[0], "height"), 2.5, 1e-3);
  assertEquals(number(bars[1], "y"), ticks("y").get("10"));
  const x = ticks("x");
  const left = number(bars[0], "x");
  assertAlmostEquals(left, x.get("0")! + 0.5, 0.01);
  assertAlmostEquals(left + number(bars[0], "width"), x.get("1")! - 0.5, 0.01);
  assertAlmostEquals(number(bars[1], "x"), x.get("2")! + 0.5, 0.01);
  assert(svg.includes("<title>2 to 4: 10</title>"));
});

Deno.test("barPlot with a logarithmic axis gives equal factors equal widths", async () => {
  const { marks, ticks } = readSvg(
    (await barPlot({ edges: [1e-4, 1e-3, 1e-2, 1e-1], counts: [1, 2, 3] }, {
      ...{ title: "t", logX: true },
    })).svg,
  );
  const widths = marks("rect").map((bar) => number(bar, "width"));
  assertAlmostEquals(widths[1], widths[0], 0.02);
  assertAlmostEquals(widths[2], widths[0], 0.02);
  assert(ticks("x").has("0.001"));
});

Deno.test("barPlot points a value out where it lies inside", async () => {
  const bins = { edges: [0, 1, 2], counts: [1, 1] };
  const words = async (x: number) =>
    readSvg((await barPlot(bins, { title: "t", mark: { x, label: "mean" } })).svg).words;
  assert((await words(1.5)).includes("mean"));
  assert(!(await words(3)).includes("mean"));
});

Deno.test("barPlot draws nothing where there is nothing, and refuses wrong edges", async () => {
  for (const bins of [{ edges: [], counts: [] }, { edges: [0, 1], counts: [0] }]) {
    assert(readSvg((await barPlot(bins, { title: "t" })).svg).words.includes("no data"));
  }
  await assertRejects(
    () => barPlot({ edges: [0, 1], counts: [1, 2] }, { title: "t" }),
    RangeError,
    "there are 2 edges and 2 counts, expected one edge more",
  );
});
