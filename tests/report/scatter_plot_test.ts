import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  scatterPlot,
  type ScatterPlotOptions,
  type ScatterSeries,
} from "../../lib/report/scatter_plot.ts";
import { number, pathPoints, readSvg } from "./read_svg.ts";

async function draw(series: ScatterSeries[], options: Partial<ScatterPlotOptions> = {}) {
  return readSvg((await scatterPlot(series, { title: "t", ...options })).svg);
}

Deno.test("scatterPlot draws a dot for each place, darker where points coincide", async () => {
  const { marks, legend, words } = await draw([
    { label: "a", x: [0, 1, 1, 0.5], y: [1, 2 + 1e-15, 2 + 1e-15, -1] },
  ]);
  assert(!words.some((word) => word.includes("outside")));
  assertEquals(marks("dot").map((dot) => number(dot, "fill-opacity")).sort(), [0.75, 0.75, 0.85]);
  assertEquals(legend, []);
});

Deno.test("a scatterPlot of many points stays small", async () => {
  const x = Float64Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
  const { svg } = await scatterPlot([{ label: "a", x, y: x.map(Math.abs) }], { title: "t" });
  assert(svg.length < 100_000, `${svg.length} characters`);
});

Deno.test("scatterPlot leaves points out that are not finite, and names series", async () => {
  const { marks, legend, words } = await draw([
    { label: "one", x: [0, 1, NaN], y: [1, Infinity, 0] },
    { label: "two", x: [0.5], y: [0] },
  ], { mark: { x: 0.7, label: "θ" } });
  assertEquals(marks("dot").length, 2);
  assertEquals(legend, ["one", "two"]);
  assert(words.includes("θ"));
});

Deno.test("scatterPlot draws the place to point out within its area, wherever the points are", async () => {
  for (const x of [[0.1, 0.2], [0.9, 0.99], [1, 1 - 1e-7]]) {
    const mark = { x: 0.7, label: "θ" };
    const { marks } = await draw([{ label: "a", x, y: [1, 2] }], { mark, width: 480 });
    const at = marks("rule").map((rule) => number(rule, "x1")).at(-1)!;
    assert(at > 20 && at < 480, `${at}`);
  }
});

Deno.test("scatterPlot cuts outliers off and says how many", async () => {
  const y = Float64Array.from({ length: 1000 }, (_, i) => i);
  y[999] = 1e9;
  const { words, ticks } = await draw([{ label: "a", x: y.map((_, i) => i), y }], {
    ...{ clip: 0.01, yLabel: "y" },
  });
  assert(words.includes("y; 10 of 1000 outside"));
  // The axis ends near the points that are left.
  assert(ticks("y").has("1,000"), [...ticks("y").keys()].join());
});

Deno.test("scatterPlot draws lines through its points, with names", async () => {
  const { marks, legend, ticks } = await draw([{ label: "a", x: [0, 2], y: [1, 2] }], {
    lines: [
      { label: "R² = 1", slope: 0.5, intercept: 1, x: [0, 2], dash: "" },
      { label: "steep", slope: -10, intercept: 11, x: [0, 2], dash: "4 4" },
    ],
  });
  assertEquals(legend, ["a", "R² = 1", "steep"]);
  const [[[from, to]], [[top, bottom]]] = marks("line").map(pathPoints);
  assertEquals(
    marks("dot").map((dot) => [number(dot, "cx"), number(dot, "cy")]),
    [from, to],
  );
  // A line ends where the axis does: at y 2 and 0.
  const y = ticks("y");
  assertEquals([top[1], bottom[1]], [y.get("2"), y.get("0")]);
});

Deno.test("scatterPlot of nothing, and of one point", async () => {
  assert((await draw([])).words.includes("no data"));
  assert((await draw([{ label: "a", x: [NaN], y: [1] }])).words.includes("no data"));
  assertEquals((await draw([{ label: "a", x: [1], y: [0] }])).marks("dot").length, 1);
});

Deno.test("scatterPlot refuses series whose places are not pairs", async () => {
  await assertRejects(
    () => scatterPlot([{ label: "a", x: [1], y: [] }], { title: "t" }),
    RangeError,
    "series a has 1 x and 0 y, expected as many",
  );
});
