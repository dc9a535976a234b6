import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { aucInterval, correlationInterval, meanInterval } from "../../lib/claims/intervals.ts";
import { createRandom } from "../../lib/random.ts";
import { noveltyRoc } from "../../lib/stitching/novelty_roc.ts";

Deno.test("meanInterval is Student's: known quantiles of t", () => {
  // Of n values ±1, half each, the standard error is 1 / √(n − 1).
  for (const [n, t] of [[2, 12.7062], [4, 3.1824], [6, 2.5706], [10, 2.2622], [32, 2.0395]]) {
    const { low, high } = meanInterval(Array.from({ length: n }, (_, i) => i % 2 ? 1 : -1));
    assertAlmostEquals(high, t / Math.sqrt(n - 1), 0.01 * t / Math.sqrt(n - 1), `${n}`);
    assertAlmostEquals(low, -high, 1e-12);
  }
  assertEquals(meanInterval([3]), { low: -Infinity, high: Infinity });
  assertEquals(meanInterval([2, 2, 2]), { low: 2, high: 2 });
});

Deno.test("correlationInterval: Fisher's z, checked by hand", () => {
  // atanh 0.5 = 0.5493; 1.96 / √25 = 0.3920.
  const { low, high } = correlationInterval(0.5, 28);
  assertAlmostEquals(low, Math.tanh(0.1573), 1e-4);
  assertAlmostEquals(high, Math.tanh(0.9413), 1e-4);
  assertEquals(correlationInterval(0.9, 3), { low: -1, high: 1 });
  const one = correlationInterval(1, 20);
  assert(one.low > 0.999 && one.high <= 1);
});

Deno.test("aucInterval holds the area, stays within 0 and 1, narrows, has a width at the ends", () => {
  for (const auc of [0, 0.3, 0.5, 0.85, 1]) {
    for (const [positives, negatives] of [[1, 1], [10, 10], [20, 200]]) {
      const { low, high } = aucInterval(auc, positives, negatives);
      assert(0 <= low && low <= auc && auc <= high && high <= 1 && low < high);
      const more = aucInterval(auc, 4 * positives, 4 * negatives);
      assert(more.high - more.low < high - low);
      const mirror = aucInterval(1 - auc, positives, negatives);
      assertAlmostEquals(mirror.low, 1 - high, 1e-9);
    }
  }
  assertEquals(aucInterval(0.5, 0, 9), { low: 0, high: 1 });
  // Why prediction wants ten on a side: at 0.85 even ten and ten do not clear 0.7, thirty do.
  assert(aucInterval(0.85, 10, 10).low < 0.65 && aucInterval(0.85, 30, 30).low > 0.7);
});

Deno.test("aucInterval holds the true area nineteen times in twenty", () => {
  const random = createRandom(1);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.uniform())) *
    Math.cos(2 * Math.PI * random.uniform());
  for (const [shift, area] of [[0, 0.5], [1, 0.7602]]) {
    let held = 0;
    const runs = 400;
    for (let run = 0; run < runs; run++) {
      const cosine = [
        ...Array.from({ length: 15 }, normal),
        ...Array.from({ length: 25 }, () => normal() + shift),
      ];
      const { auc } = noveltyRoc(cosine, cosine.map((_, i) => i < 15 ? -1 : 1), { threshold: 0 });
      const { low, high } = aucInterval(auc!, 15, 25);
      if (low <= area && area <= high) held++;
    }
    assert(held > 0.92 * runs && held < 0.985 * runs, `${held} of ${runs} at ${area}`);
  }
});
