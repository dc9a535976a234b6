import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { noveltyRoc } from "../../lib/stitching/novelty_roc.ts";

/** Improving and worsening latents one by one, and pairs of them one by one. */
function bruteForce(cosine: number[], deltaMse: number[]) {
  const better = cosine.filter((_, i) => deltaMse[i] < 0);
  const worse = cosine.filter((_, i) => deltaMse[i] > 0);
  const won = better.flatMap((a) => worse.map((b): number => a < b ? 1 : a === b ? 0.5 : 0));
  const predict = (threshold: number) => {
    const caught = better.filter((c) => c < threshold).length;
    const wrong = worse.filter((c) => c < threshold).length;
    return {
      threshold,
      truePositiveRate: better.length ? caught / better.length : undefined,
      falsePositiveRate: worse.length ? wrong / worse.length : undefined,
      accuracy: better.length + worse.length
        ? (caught + worse.length - wrong) / (better.length + worse.length)
        : undefined,
    };
  };
  return {
    better,
    worse,
    auc: won.length ? won.reduce((sum, w) => sum + w, 0) / won.length : undefined,
    predict,
  };
}

const latents = fc.array(
  fc.record({
    // Few values, so that many are tied.
    cosine: fc.oneof(
      fc.integer({ min: -4, max: 8 }).map((c) => c / 8),
      fc.double({ noNaN: true, min: -1, max: 1 }),
    ),
    deltaMse: fc.integer({ min: -3, max: 3 }),
    activity: fc.constantFrom(0, 0.5, 1, 1, 1),
  }),
  { maxLength: 40 },
);

Deno.test("noveltyRoc: the area is the Mann–Whitney statistic, each point what its threshold predicts", () => {
  fc.assert(
    fc.property(latents, fc.double({ noNaN: true, min: -1, max: 1.1 }), (all, threshold) => {
      const kept = all.filter(({ deltaMse, activity }) => deltaMse !== 0 && activity > 0);
      const expected = bruteForce(
        kept.map(({ cosine }) => cosine),
        kept.map(({ deltaMse }) => deltaMse),
      );
      const roc = noveltyRoc(
        all.map(({ cosine }) => cosine),
        all.map(({ deltaMse }) => deltaMse),
        { threshold, activity: all.map(({ activity }) => activity) },
      );
      assertEquals(
        [roc.improving, roc.worsening, roc.leftOut],
        [expected.better.length, expected.worse.length, all.length - kept.length],
      );
      assertEquals(roc.at, expected.predict(threshold));
      const thresholds = [...new Set(kept.map(({ cosine }) => cosine + 0))].sort((a, b) => a - b);
      assertEquals(roc.points, [...thresholds, Infinity].map(expected.predict));
      if (expected.auc === undefined) {
        assertEquals([roc.auc, roc.best], [undefined, undefined]);
        return;
      }
      assertAlmostEquals(roc.auc!, expected.auc, 1e-12);
      // The area under the points is the same number.
      let area = 0;
      for (const [at, { truePositiveRate: y, falsePositiveRate: x }] of roc.points.entries()) {
        if (at === 0) continue;
        const before = roc.points[at - 1];
        area += (x! - before.falsePositiveRate!) * (y! + before.truePositiveRate!) / 2;
      }
      assertAlmostEquals(area, roc.auc!, 1e-12);
      const youden = (point: typeof roc.at) => point.truePositiveRate! - point.falsePositiveRate!;
      const most = Math.max(...roc.points.map(youden));
      assertAlmostEquals(youden(roc.best!), most, 1e-12);
      const first = roc.points.find((point) => youden(point) > most - 1e-12)!;
      assertEquals(roc.best, first);
    }),
    { numRuns: 400 },
  );
});

Deno.test("noveltyRoc: cosines that separate, that mislead, that say nothing", () => {
  const deltaMse = [-1, -2, 3, 4];
  const perfect = noveltyRoc([0.1, 0.2, 0.8, 0.9], deltaMse);
  assertEquals([perfect.auc, perfect.best!.threshold, perfect.best!.accuracy], [1, 0.8, 1]);
  assertEquals(perfect.at.accuracy, 1);
  assertEquals(noveltyRoc([0.9, 0.8, 0.2, 0.1], deltaMse).auc, 0);
  const same = noveltyRoc([0.5, 0.5, 0.5, 0.5], deltaMse);
  assertEquals([same.auc, same.points.length], [0.5, 2]);
  // No threshold is better than calling none novel.
  assertEquals(same.best!.truePositiveRate, 0);
  // Eq. 6: a cosine equal to the threshold is not novel.
  assertEquals(noveltyRoc([0.7, 0.7], [-1, 1]).at.truePositiveRate, 0);
});

Deno.test("noveltyRoc: one class or none leaves the area undefined, and nothing is NaN", () => {
  for (const deltaMse of [[-1, -2], [1, 2], [0, 0], []]) {
    const roc = noveltyRoc(deltaMse.map((_, i) => i / 2), deltaMse);
    assertEquals([roc.auc, roc.best], [undefined, undefined]);
    for (const point of [roc.at, ...roc.points]) {
      assert(!Object.values(point).some((value) => Number.isNaN(value)));
    }
  }
  assertEquals(noveltyRoc([0.1, 0.9], [-1, -1]).at.accuracy, 0.5);
});

Deno.test("noveltyRoc refuses arrays that differ and what is no number", () => {
  const cases: [() => unknown, string][] = [
    [() => noveltyRoc([0.1], [1, 2]), "deltaMse has 2 numbers, expected 1 as cosine has"],
    [() => noveltyRoc([0.1], [1], { activity: [] }), "activity has 0 numbers, expected 1"],
    [() => noveltyRoc([0.1, NaN], [1, 2]), "cosine[1] is NaN, expected a number"],
    [() => noveltyRoc([0.1, 0], [1, Infinity]), "deltaMse[1] is Infinity, expected a number"],
    [() => noveltyRoc([0.1], [1], { threshold: NaN }), "threshold is NaN, expected a number"],
  ];
  for (const [run, text] of cases) assertThrows(run, RangeError, text);
});
