import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { linearTicks, logTicks, tickLabels } from "../../lib/report/ticks.ts";

const NICE = /^[125]e[+-]\d+$/;

Deno.test("linearTicks are multiples of a nice step around the range", () => {
  assertEquals(linearTicks(0, 32, 4), [0, 10, 20, 30, 40]);
  assertEquals(linearTicks(0, 0.3, 3), [0, 0.1, 0.2, 0.3]);
  assertEquals(linearTicks(-3, 7, 5), [-4, -2, 0, 2, 4, 6, 8]);
  const number = fc.double({ min: -1e9, max: 1e9, noNaN: true });
  fc.assert(fc.property(number, fc.double({ min: 1e-3, max: 1e6 }), fc.nat(8), (low, by, n) => {
    // Where a range is a tiny part of its ends, twelve digits do not tell ticks apart.
    fc.pre(by > Math.abs(low) * 1e-6);
    const ticks = linearTicks(low, low + by, n + 2);
    const step = Number((ticks[1] - ticks[0]).toPrecision(4));
    assert(NICE.test(step.toExponential()), `step ${step}`);
    assert(ticks[0] <= low + step * 1e-5 && ticks[1] > low - step * 1e-5);
    assert(ticks.at(-1)! >= low + by - step * 1e-5 && ticks.at(-2)! < low + by + step * 1e-5);
    assert(ticks.length <= n + 5, `${ticks.length} ticks, about ${n + 2} wanted`);
  }));
});

Deno.test("logTicks are powers of ten, or 1, 2 and 5 times them", () => {
  assertEquals(logTicks(0.002, 30, 6), [0.001, 0.01, 0.1, 1, 10, 100]);
  assertEquals(logTicks(1e-9, 1, 4), [1e-9, 1e-6, 1e-3, 1]);
  assertEquals(logTicks(0.3, 3, 5), [0.2, 0.5, 1, 2, 5]);
  assertEquals(logTicks(1, 10, 5), [1, 2, 5, 10]);
  // Within rounding of a power of ten, on either side.
  for (const off of [1e-10, 4.3429454216227237e-10, 9e-10]) {
    assertEquals(logTicks(10 ** -off, 1.02, 5), [1, 2], `10^-${off}`);
    assertEquals(logTicks(0.98, 10 ** off, 5), [0.5, 1], `10^${off}`);
  }
  const exponent = fc.double({ min: -12, max: 12, noNaN: true });
  fc.assert(fc.property(exponent, fc.double({ min: 0.01, max: 20, noNaN: true }), (at, by) => {
    const [low, high] = [10 ** at, 10 ** (at + by)];
    const ticks = logTicks(low, high, 5);
    assert(ticks.every((tick) => NICE.test(tick.toExponential())), `${ticks}`);
    assert(ticks[0] <= low * (1 + 1e-6) && ticks.at(-1)! >= high * (1 - 1e-6), `${ticks}`);
    assert(ticks.length >= 2 && ticks.length <= 8, `${ticks}`);
  }));
});

Deno.test("tickLabels are in one unit", () => {
  assertEquals(tickLabels([0, 0.5, 1]), ["0", "0.5", "1"]);
  assertEquals(tickLabels([-4000, 0, 4000]), ["−4000", "0", "4000"]);
  assertEquals(tickLabels([0, 5000, 10_000]), ["0", "5k", "10k"]);
  assertEquals(tickLabels([0, 500_000, 1_500_000]), ["0", "0.5M", "1.5M"]);
  assertEquals(tickLabels([0, 0.001, 0.002]), ["0", "10⁻³", "2 × 10⁻³"]);
  assertEquals(tickLabels([0.01, 0.1, 1], true), ["0.01", "0.1", "1"]);
  assertEquals(tickLabels([1e-5, 1e-3, 0.1], true), ["10⁻⁵", "10⁻³", "10⁻¹"]);
  assertEquals(tickLabels([0.2, 0.5, 1], true), ["0.2", "0.5", "1"]);
});
