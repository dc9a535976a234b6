import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { scatterPlot } from "../../lib/report/scatter_plot.ts";

const dots = (svg: string) =>
  [...svg.matchAll(/<path class="dots" d="([^"]*)"[^>]*stroke-opacity="([^"]+)"/g)]
    .map(([, path, opacity]) => ({ count: path.split("M").length - 1, opacity: Number(opacity) }));

Deno.test("scatterPlot draws a dot for each place, darker where points coincide", () => {
  const svg = scatterPlot([{ label: "a", x: [0, 1, 1, 0.5], y: [1, 2, 2, -1] }], { title: "t" });
  assertEquals(dots(svg), [{ count: 2, opacity: 0.45 }, { count: 1, opacity: 0.7 }]);
});

Deno.test("scatterPlot leaves points out that are not finite, and names series", () => {
  const svg = scatterPlot([
    { label: "one", x: [0, 1, NaN], y: [1, Infinity, 0] },
    { label: "two", x: [0.5], y: [0] },
  ], { title: "t", mark: { x: 0.7, label: "θ" } });
  assertEquals(dots(svg).map(({ count }) => count), [1, 1]);
  for (const name of ["one", "two", "θ"]) assertStringIncludes(svg, `>${name}</text>`);
});

Deno.test("scatterPlot draws the place to point out within its area, wherever the points are", () => {
  for (const x of [[0.1, 0.2], [0.9, 0.99], [1, 1 - 1e-7]]) {
    const mark = { x: 0.7, label: "θ" };
    const svg = scatterPlot([{ label: "a", x, y: [1, 2] }], { title: "t", mark, width: 480 });
    const at = Number(svg.match(/d="M([-\d.]+) [-\d.]+V[^"]*"[^>]*stroke-dasharray/)![1]);
    assert(at > 20 && at < 480, `${at}`);
    // Its name stands on the side that has room.
    assertEquals(svg.includes(`text-anchor="end">θ</text>`), x[0] < 0.7);
  }
});

Deno.test("scatterPlot cuts outliers off and says how many", () => {
  const y = Float64Array.from({ length: 1000 }, (_, i) => i);
  y[999] = 1e9;
  const svg = scatterPlot([{ label: "a", x: y.map((_, i) => i), y }], { title: "t", clip: 0.01 });
  assertStringIncludes(svg, "10 of 1000 outside");
  // The axis ends near the points that are left.
  assertMatch(svg, />1,?000<\/text>/);
});

Deno.test("scatterPlot of nothing, and of one point", () => {
  assertStringIncludes(scatterPlot([], { title: "t" }), "no data");
  assertStringIncludes(scatterPlot([{ label: "a", x: [NaN], y: [1] }], { title: "t" }), "no data");
  assertEquals(dots(scatterPlot([{ label: "a", x: [1], y: [0] }], { title: "t" })).length, 1);
});

Deno.test("scatterPlot refuses series whose places are not pairs", () => {
  assertThrows(
    () => scatterPlot([{ label: "a", x: [1], y: [] }], { title: "t" }),
    RangeError,
    "series a has 1 x and 0 y, expected as many",
  );
});
