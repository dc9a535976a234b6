import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { binCounts, binsFrom, linearBins, logBins } from "../lib/report/bar_plot.ts";
import { formatNumber, formatSeconds, formatShare } from "../lib/format_number.ts";
import { quartilesOf } from "../lib/report/training_plots.ts";
import { thinSeries } from "../lib/report/line_plot.ts";

Deno.test("formatNumber keeps four digits and says what is not finite", () => {
  const cases: [number, string][] = [
    [0, "0"],
    [12288, "12,288"],
    [-3, "−3"],
    [0.0952961, "0.0953"],
    [31.87499, "31.87"],
    [54321.9, "54,322"],
    [0.000123456, "1.23 × 10⁻⁴"],
    [-0.0001, "−1 × 10⁻⁴"],
    [1e21, "10²¹"],
    [NaN, "–"],
    [Infinity, "–"],
  ];
  for (const [value, text] of cases) assertEquals(formatNumber(value), text);
});

Deno.test("formatShare and formatSeconds read well", () => {
  assertEquals([0.98551, 0.0001234, 1, NaN].map(formatShare), ["98.6 %", "0.0123 %", "100 %", "–"]);
  assertEquals(
    [0.42, 9.96, 59.6, 185, 7800, NaN].map(formatSeconds),
    ["0.42 s", "10 s", "1 min 0 s", "3 min 5 s", "2 h 10 min", "–"],
  );
});

Deno.test("thinSeries keeps short curves as they are", () => {
  assertEquals(thinSeries([1, 2, 4], [5, NaN, 7], 10), [
    { x: 1, mean: 5, low: 5, high: 5 },
    { x: 2, mean: NaN, low: NaN, high: NaN },
    { x: 4, mean: 7, low: 7, high: 7 },
  ]);
  assertEquals(thinSeries([], [], 10), []);
});

Deno.test("thinSeries keeps the extremes of long curves", () => {
  const y = Array.from({ length: 1003 }, (_, i) => Math.sin(i) * i);
  y[500] = NaN;
  const points = thinSeries(y.map((_, i) => i), y, 10);
  const finite = y.filter((value) => !isNaN(value));
  assertEquals(points.length, 10);
  assertEquals(Math.min(...points.map(({ low }) => low)), Math.min(...finite));
  assertEquals(Math.max(...points.map(({ high }) => high)), Math.max(...finite));
  const mean = finite.slice(0, 100).reduce((sum, value) => sum + value, 0) / 100;
  assertAlmostEquals(points[0].mean, mean);
  assertEquals(points[0].x, 49.5);
});

Deno.test("binCounts bins whole numbers", () => {
  const few = binCounts([0, 0, 0, 2, 5], 60);
  assertEquals(few, { edges: [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5], counts: [0, 0, 2, 5, 0, 0] });
  const long = new Uint32Array(1000).fill(1);
  const { edges, counts } = binCounts(long, 60);
  assertEquals(Array.from(counts).reduce((sum, count) => sum + count, 0), 1000);
  assertEquals([edges.length, edges[0], edges[1]], [60, -0.5, 16.5]);
  assertEquals(binCounts([0, 0], 60), { edges: [], counts: [] });
});

Deno.test("logBins bins positive values from a power of ten to a power of ten", () => {
  const { edges, counts } = logBins([0, NaN, 0.002, 0.05, 0.1, 1], 1);
  assertEquals(Array.from(counts), [1, 1, 2]);
  assertAlmostEquals(edges[0], 0.001);
  assertAlmostEquals(edges[3], 1);
  assertEquals(logBins([0, 0], 5), { edges: [], counts: [] });
  assertEquals(Array.from(logBins([1], 1).counts), [1]);
});

Deno.test("linearBins bins values from the smallest to the largest", () => {
  const { edges, counts } = linearBins([1, 5, NaN, 2.9, 3, 3.1, Infinity], 2);
  assertEquals({ edges, counts }, { edges: [1, 3, 5], counts: [2, 3] });
  assertEquals(linearBins([2, 2], 3), { edges: [], counts: [] });
});

Deno.test("binsFrom leaves out empty bins below a place, and no other", () => {
  const edges = [-1, -0.5, 0, 0.5, 1];
  const from = (counts: number[]) => binsFrom(0, { edges, counts });
  assertEquals(from([0, 0, 0, 2]), { edges: [0, 0.5, 1], counts: [0, 2] });
  assertEquals(from([0, 1, 0, 2]), { edges: [-0.5, 0, 0.5, 1], counts: [1, 0, 2] });
  assertEquals(from([0, 0, 0, 0]), { edges: [0, 0.5, 1], counts: [0, 0] });
});

Deno.test("quartilesOf", () => {
  assertEquals(quartilesOf([4, 1, 2, 3]), [1, 1.75, 2.5, 3.25, 4]);
  assertEquals(quartilesOf([7]), [7, 7, 7, 7, 7]);
  assert(quartilesOf([]).every(isNaN));
});
