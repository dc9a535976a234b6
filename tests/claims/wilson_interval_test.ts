import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { wilsonInterval } from "../../lib/claims/intervals.ts";

Deno.test("known intervals: R's prop.test(correct = FALSE), Newcombe's table (1998)", () => {
  for (
    const [successes, trials, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ]
  ) {
    const interval = wilsonInterval(successes, trials);
    assertAlmostEquals(interval.low, low, 5e-5, `${successes} of ${trials}`);
    assertAlmostEquals(interval.high, high, 5e-5, `${successes} of ${trials}`);
  }
});

Deno.test("the interval's ends solve the score equation (share − p)² = z² p (1 − p) / n", () => {
  for (const [successes, trials] of [[3, 10], [50, 100], [999, 1000], [1, 7]]) {
    const { low, high } = wilsonInterval(successes, trials);
    for (const p of [low, high]) {
      const left = (successes / trials - p) ** 2;
      assertAlmostEquals(left, 1.959963984540054 ** 2 * p * (1 - p) / trials, 1e-12);
    }
  }
});

Deno.test("it contains the share, stays within 0 and 1, narrows, and is the mirror of its failures'", () => {
  for (const trials of [1, 2, 3, 10, 57, 1000, 123456]) {
    for (const part of [0, 0.01, 0.2, 0.5, 0.9, 1]) {
      const successes = Math.round(part * trials);
      const { low, high } = wilsonInterval(successes, trials);
      assert(0 <= low && low <= successes / trials && successes / trials <= high && high <= 1);
      assert(low < high);
      const more = wilsonInterval(successes * 4, trials * 4);
      assert(more.high - more.low < high - low, `${successes} of ${trials}`);
      const failures = wilsonInterval(trials - successes, trials);
      assertAlmostEquals(failures.low, 1 - high, 1e-12);
      assertAlmostEquals(failures.high, 1 - low, 1e-12);
    }
  }
});

Deno.test("no trials leave everything open; counts that are none are refused", () => {
  assertEquals(wilsonInterval(0, 0), { low: 0, high: 1 });
  assertThrows(() => wilsonInterval(0, -1), RangeError, "trials is -1");
  assertThrows(() => wilsonInterval(3, 2), RangeError, "successes is 3, expected a whole number");
  assertThrows(() => wilsonInterval(0.5, 2), RangeError, "successes is 0.5");
});
