import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { extent, formatTick, logTicks, spacedTicks } from "../../lib/report/ticks.ts";

Deno.test("formatTick is short, and tells ticks next to each other apart", () => {
  const cases: [number, string][] = [
    ...[[0, "0"], [0.5, "0.5"], [-4000, "−4,000"], [300_200, "300.2k"], [1.5e6, "1.5M"]] as const,
    ...[[12_000, "12k"], [0.001, "0.001"], [1e-5, "10⁻⁵"], [-5e-4, "−5×10⁻⁴"]] as const,
    ...[[0.30002, "0.30002"], [2e9, "2B"], [12_288, "12,288"], [1e15, "10¹⁵"]] as const,
  ].map(([value, name]) => [value, name]);
  for (const [value, name] of cases) assertEquals(formatTick(value), name);
});

Deno.test("logTicks are powers of ten, or 1, 2 and 5 times them, inside the range", () => {
  assertEquals(logTicks(0.002, 30), [0.01, 0.1, 1, 10]);
  assertEquals(logTicks(0.3, 3), [0.5, 1, 2]);
  assertEquals(logTicks(1, 10), [1, 2, 5, 10]);
  assertEquals(logTicks(3, 4), undefined);
  const exponent = fc.double({ min: -12, max: 12, noNaN: true });
  fc.assert(fc.property(exponent, fc.double({ min: 0.01, max: 20, noNaN: true }), (at, by) => {
    const [low, high] = [10 ** at, 10 ** (at + by)];
    const ticks = logTicks(low, high) ?? [low, high];
    assert(ticks.every((tick) => tick >= low && tick <= high), `${ticks}`);
    assert(ticks.length >= 2 && ticks.length <= 10, `${ticks}`);
  }));
});

Deno.test("names of spaced ticks are not written into each other", () => {
  assertEquals(spacedTicks([768, 1536, 3072, 6144, 12288], 400, true), [
    ...[768, 1536, 3072, 6144, 12288],
  ]);
  assertEquals(spacedTicks([1, 990, 1000], 300, true), [1, 990]);
  assertEquals(spacedTicks([5], 300, false), [5]);
});

Deno.test("extent holds all values, and widens one", () => {
  assertEquals(extent([3, -1, 2]), [-1, 3]);
  assertEquals([extent([0]), extent([4, 4]), extent([4], true)], [[0, 1], [3, 5], [2, 8]]);
});
