import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { stitchingClaims } from "../../lib/claims/stitching_claims.ts";
import type { PairStudy } from "../../lib/stitching/study_pair.ts";
import {
  claimOf,
  controlsOf,
  DECIDED,
  effectsOf,
  groupsOf,
  inserted,
  makeStudy,
  missingOf,
  pathOf,
  similarityOf,
  times,
  verdicts,
} from "../report/made_study.ts";

/** Effects of 60 novel latents and 140 others: so many of the novel ones improve the small SAE. */
const novelImproving = (count: number) =>
  effectsOf(times(200, (i) => i < count ? -0.2 : 0.1), times(200, 0.05));

Deno.test("all claims hold in the study in which they should", () => {
  assertEquals(stitchingClaims(makeStudy()).map(({ holds }) => holds), times(11, true));
});

Deno.test("incompleteness: most novel latents improve, and all together, with gains too", () => {
  const words = "The smaller SAE is incomplete";
  const base = makeStudy();
  const withGain = (changes: Partial<PairStudy["withGain"]>) => ({
    withGain: { ...base.withGain, ...changes },
  });
  assertEquals(
    verdicts(
      words,
      {},
      { effects: novelImproving(20), path: inserted(...times(60, (i) => 0.1 + 0.01 * i)) },
      { effects: novelImproving(33) },
    ),
    DECIDED,
  );
  // Shrinkage: without gains all improve, with gains none does.
  const worse = inserted(...times(60, (i) => 0.1 + 0.01 * i));
  const shrunk = claimOf(words, withGain({ effects: novelImproving(0), path: worse }));
  assertEquals(shrunk.holds, false);
  assertStringIncludes(shrunk.found, "60 of 60 (100 %) of those that are active lower the MSE, ");
  assertStringIncludes(shrunk.found, "with one gain per SAE 0 of 60 (0 %)");
  assertEquals(
    verdicts(
      words,
      // Alone with gains they improve, all together they worsen: they say the same as one another.
      withGain({ path: inserted(...times(60, (i) => 0.1 + 0.01 * i)) }),
      withGain({ effects: novelImproving(0) }),
      withGain({ path: inserted(...times(60, (i) => i % 2 ? 0.1 : -0.1)) }),
      withGain({ effects: novelImproving(33) }),
      // One latent makes up for all others: it is no evidence that novel latents improve.
      withGain({ path: inserted(-30, ...times(59, 0.1)) }),
      // Nine novel latents.
      { groups: { ...base.groups, largeOnly: new Uint32Array(times(9, (i) => i)) } },
      { groups: { ...base.groups, largeOnly: new Uint32Array() } },
    ),
    times(7, undefined),
  );
});

Deno.test("incompleteness and insertions: what the mixed bias alone does is nobody's merit", () => {
  // The bias lowers the MSE with every latent that comes; the latents themselves raise it.
  const path = pathOf(times(60, ["insert", 0.1, 0.05, -0.5]));
  assert(path.at(-1)!.mse < path[0].mse);
  const effects = effectsOf(times(200, 0.1), times(200, 0.05), -0.5);
  const changes = { path, effects, withGain: { path, effects } };
  assertEquals(verdicts("The smaller SAE is incomplete", changes), [false]);
  assertEquals(verdicts("Inserting novel latents", changes), [false]);
  assertStringIncludes(claimOf("Inserting novel latents", changes).found, "0 of 60 (0 %) lower");
});

Deno.test("missing information: by the relative increase, of latents that are active often enough", () => {
  const words = "Where a novel latent is active";
  assertEquals(
    verdicts(
      words,
      { missing: missingOf(times(60, [0.3, 0.1])) },
      // The small SAE's error is twice the large one's: 12 of 100 is more than 10 of 50, and grows less.
      { missing: missingOf(times(60, [0.12, 0.2])) },
      { missing: missingOf(times(60, (i) => i % 2 ? [0.3, 0.1] : [0.1, 0.3])) },
      { missing: missingOf(times(9, [0.3, 0.1])) },
      { missing: missingOf([]) },
    ),
    [...DECIDED, undefined, undefined],
  );
  const { found } = claimOf(words, { missing: missingOf(times(60, [0.12, 0.2])) });
  assertStringIncludes(found, "+12 % (small SAE), +20 % (large SAE)");
  const rare = missingOf(times(60, [0.3, 0.1]));
  for (const latent of rare.latents) latent.activeSamples = 3;
  assertEquals(verdicts(words, { missing: rare }), [undefined]);
  // A large SAE without an error where the latent is not active.
  const perfect = missingOf(times(60, [0.3, 0.1]));
  for (const { large } of perfect.latents) large.inactive = 0;
  assert(!/NaN|Infinity/.test(claimOf(words, { missing: perfect }).found));
});

Deno.test("reconstruction latents: more than half worsen, and gains do not reverse it", () => {
  const worsening = (count: number) =>
    effectsOf(times(200, (i) => i >= 60 && i < 60 + count ? 0.1 : -0.1), times(200, 0.05));
  const { path } = makeStudy();
  const words = "Reconstruction latents add nothing";
  assertEquals(
    verdicts(
      words,
      { effects: worsening(120) },
      { effects: worsening(30), withGain: { path, effects: worsening(30) } },
      { effects: worsening(75) },
      { withGain: { path, effects: worsening(20) } },
      { effects: effectsOf(times(200, 0.1), times(200, 0)) },
    ),
    [...DECIDED, undefined, undefined],
  );
});

Deno.test("prediction: an AUC whose interval clears the bound, ten latents a side at least", () => {
  const words = "The decoder cosine predicts";
  const cosine = (of: (i: number) => number) => ({
    nearest: { cosine: Float32Array.from(times(200, of)), nearest: new Uint32Array(200) },
  });
  const few = (count: number) => ({ effects: novelImproving(count) });
  assertEquals(
    verdicts(
      words,
      {},
      // No relation: what shuffled cosines would show.
      cosine((i) => (i * 7919 % 200) / 200),
      // 0.75 or so over 60 and 140: the interval holds 0.7.
      cosine((i) => i < 60 ? (i * 37 % 60) / 60 : 0.25 + 0.75 * ((i * 53 % 140) / 140) + 0.1),
    ),
    DECIDED,
  );
  assertEquals(verdicts(words, few(1), few(9), few(10), few(0)), [
    ...[undefined, undefined, true, undefined],
  ]);
  assertStringIncludes(claimOf(words, few(9)).why!, "9 improving latents, at least 10 are needed");
  assertMatch(claimOf(words, {}).found, /AUC 1\.000 \(95 %: 0\.9\d to 1\.00\)/);
  // The bias alone has the other sign for all, and changes nothing.
  const own = times(200, (i) => i < 60 ? -0.2 : 0.1);
  assertEquals(verdicts(words, { effects: effectsOf(own, times(200, 0.05), 5) }), [true]);
});

Deno.test("similarity: the correlation's interval, of latents that each count once", () => {
  const words = "Latents with similar decoder rows";
  const line = (count: number, noise: number, slope = 1) =>
    similarityOf(times(count, (i) =>
      [
        ...[0.5 + (i + 1) / (2 * count), slope * i / (2 * count) + noise * ((i * 7919) % 101 - 50)],
      ] as [number, number]));
  assertEquals(
    verdicts(
      words,
      { similarity: line(100, 0.001) },
      { similarity: line(100, 0.02) },
      { similarity: line(100, 0.0045) },
      { similarity: line(100, 0.001, -1) },
      { similarity: line(9, 0.0001) },
      { similarity: similarityOf([]) },
    ),
    [...DECIDED, false, undefined, undefined],
  );
  const same = line(100, 0.001);
  for (const pair of same.pairs) pair.large = 1;
  assertEquals(verdicts(words, { similarity: same }), [undefined]);
});

Deno.test("splitting: more than single examples of both kinds", () => {
  const holds = (...groups: Parameters<typeof groupsOf>) =>
    verdicts("Some latents of the smaller", { groups: groupsOf(...groups) })[0];
  assertEquals(holds([30, 1, 1], [10, 1, 2], [10, 2, 1]), true);
  assertEquals(holds([30, 1, 1], [10, 1, 2], [10, 2, 3]), true);
  assertEquals(holds([400, 1, 1], [40, 1, 2]), false);
  assertEquals(holds([400, 1, 1], [40, 2, 1]), false);
  // One of each is what chance may give.
  assertEquals(holds([50, 1, 1], [1, 1, 2], [1, 2, 1]), undefined);
  assertEquals(holds([3, 1, 1], [3, 1, 2], [3, 2, 1]), undefined);
  assertEquals(holds(), undefined);
});

Deno.test("nothing is decided where SAEs cannot tell, and the reason is said", () => {
  const cases: [Partial<PairStudy>, string][] = [
    [
      { controls: controlsOf({ nmse: 1 }) },
      "the small SAE is no better than the activations' mean",
    ],
    [{ controls: controlsOf({}, { nmse: 1.3 }) }, "the large SAE is no better than the"],
    [{ controls: controlsOf({ nmse: NaN }) }, "the activations do not vary"],
    [
      { controls: controlsOf({ nmseWithGain: 0.55 }) },
      "the small SAE (NMSE 0.550 with its gain) is",
    ],
    [{ controls: controlsOf({}, { nmseWithGain: NaN }) }, "hardly better than random directions"],
    [{ controls: controlsOf({ seed: 3 }, { seed: 3 }) }, "both SAEs were trained from seed 3"],
    [{ controls: controlsOf({}, { lossChange: -0.031 }) }, "its loss still fell by 3.1 %"],
    [{ controls: controlsOf({ lossChange: -0.2 }) }, "the small SAE was not trained to the end"],
    [{ controls: controlsOf({}, { dictSize: 100 }) }, "one size or nearly (100 and 100 latents)"],
    [{ controls: controlsOf({}, { dictSize: 124 }) }, "one size or nearly (100 and 124 latents)"],
    [{ controls: controlsOf({}, { activeLatents: 99 }) }, "nearly (95 and 99 active latents)"],
    [
      { nearest: { ...makeStudy().nearest, cosine: new Float32Array(200).fill(0.3).fill(1, 196) } },
      "4 of the large SAE's 200 latents have a counterpart of cosine 0.7 or more",
    ],
    [{ controls: controlsOf({}, { dictSize: 50 }) }, "the small SAE has more latents (100) than"],
    [{ controls: controlsOf({}, {}, 0.02) }, "2 % of random rows have a cosine of 0.7 or more"],
    [{ effects: { ...makeStudy().effects, samples: 999 } }, "999 samples are too few"],
  ];
  for (const [changes, reason] of cases) {
    for (const { claim, found, holds, why } of stitchingClaims(makeStudy(changes))) {
      assertEquals(holds, undefined, `${claim}, ${reason}`);
      assertStringIncludes(why!, reason);
      assert(found.length > 20);
    }
  }
  const all = stitchingClaims(makeStudy({
    controls: controlsOf({ nmse: 1.2, seed: 0 }, { seed: 0 }),
  }));
  assertMatch(all[0].why!, /no better .*; both SAEs were trained from seed 0/);
});

Deno.test("what does not stand in the way", () => {
  for (
    const controls of [
      controlsOf({ seed: 1 }, { seed: 2 }),
      controlsOf({ seed: 1 }, {}),
      controlsOf({ lossChange: -0.029 }, { lossChange: 0.5 }),
      controlsOf({}, { dictSize: 125 }),
      controlsOf({ nmse: 0.99, nmseWithGain: 0.5, randomNmse: 0.6 }),
    ]
  ) {
    const verdicts = stitchingClaims(makeStudy({ controls })).map(({ holds }) => holds);
    assertEquals(verdicts, times(11, true));
  }
});

Deno.test("a study of nothing decides nothing, in words without NaN", () => {
  const nothing = effectsOf([], []);
  const path = pathOf([]);
  const claims = stitchingClaims(makeStudy({
    nearest: { cosine: new Float32Array(), nearest: new Uint32Array() },
    groups: { ...groupsOf(), smallOnly: new Uint32Array(), largeOnly: new Uint32Array() },
    ...{ effects: nothing, swaps: nothing, similarity: similarityOf([]), missing: missingOf([]) },
    ...{ path, randomInsertions: path, withGain: { effects: nothing, path } },
  }));
  for (const { holds, found, why } of claims) {
    assertEquals(holds, undefined);
    assert(!/NaN|undefined|Infinity|none (raise|lower)/.test(found + why), found + why);
  }
});
