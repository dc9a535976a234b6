import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createRandom } from "../lib/random.ts";

Deno.test("random: a state goes on where it was taken", () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.nat(50), (seed, steps) => {
      const random = createRandom(seed);
      for (let i = 0; i < steps; i++) random.uniform();
      const again = createRandom(JSON.parse(JSON.stringify(random.state())));
      for (let i = 0; i < 5; i++) assertEquals(again.uniform(), random.uniform());
      assertEquals(again.state(), random.state());
    }),
  );
});

Deno.test("random: seeds that differ, even above 2^32, give other numbers", () => {
  const first = (seed: number) => createRandom(seed).uniform();
  const seeds = [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1, 2 ** 52];
  assertEquals(new Set(seeds.map(first)).size, seeds.length);
  for (const seed of [NaN, 0.5, Infinity]) {
    assertThrows(() => createRandom(seed), RangeError, `seed is ${seed}`);
  }
});

Deno.test("random: uniform has the right mean and spread, below is even", () => {
  const random = createRandom(7);
  const n = 100_000;
  const counts = new Array(10).fill(0);
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const x = random.uniform();
    assert(x >= 0 && x < 1);
    sum += x;
    squares += x * x;
    counts[random.below(10)]++;
  }
  // Five standard deviations of each.
  assert(Math.abs(sum / n - 1 / 2) < 5 * Math.sqrt(1 / 12 / n));
  assert(Math.abs(squares / n - 1 / 3) < 5 * Math.sqrt(4 / 45 / n));
  for (const count of counts) assert(Math.abs(count - n / 10) < 5 * Math.sqrt(n * 0.09));
  assertEquals(random.below(1), 0);
});
