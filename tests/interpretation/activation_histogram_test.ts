import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHistogram } from "../../lib/interpretation/activation_histogram.ts";

function count(values: number[]): { width: number; counts: Uint32Array } {
  const histogram = createHistogram();
  for (const value of values) histogram.add(value);
  return histogram.finish();
}

Deno.test("createHistogram counts every value in its bin, whatever their order", () => {
  const value = fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true });
  fc.assert(fc.property(fc.array(value, { minLength: 1 }), (values) => {
    const { width, counts } = count(values);
    const expected = new Uint32Array(counts.length);
    for (const value of values) expected[Math.floor(value / width)]++;
    assertEquals(counts, expected);
    assertEquals(count(values.toReversed()), { width, counts });
    assert(counts.length >= 17 && counts.length <= 32, `${counts.length} bins`);
  }));
});

Deno.test("createHistogram begins empty and refuses what is no activation", () => {
  assertEquals(count([]), { width: 0, counts: new Uint32Array() });
  for (const value of [0, -1, NaN, Infinity]) {
    assertThrows(() => count([value]), RangeError, `an activation is ${value}`);
  }
});
