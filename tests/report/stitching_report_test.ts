import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { stitchingClaims } from "../../lib/report/stitching_claims.ts";
import { pairFile, pathPlots } from "../../lib/report/stitching_plots.ts";
import { stitchingReport } from "../../lib/report/stitching_report.ts";
import type { InterpolationPoint } from "../../lib/stitching/interpolate.ts";
import { noveltyRoc } from "../../lib/stitching/novelty_roc.ts";
import type { PairStudy } from "../../lib/stitching/study_pair.ts";

function point(step: number, phase: string, mse: number, l0: number): InterpolationPoint {
  const none = new Uint32Array();
  return {
    ...{ step, mse, l0, nmse: mse / 10, smallCount: 2, largeCount: step },
    ...{ phase: phase as InterpolationPoint["phase"], removed: none, inserted: none },
  };
}

/** Four large latents: 0 and 1 novel, 2 and 3 in a group with small latent 0; 1 is never active. */
function study(): PairStudy {
  const cosine = Float32Array.of(0.1, 0.2, 0.8, 0.9);
  const deltaMse = Float64Array.of(-0.5, 0.001, 0.25, -0.125);
  const deltaL0 = Float64Array.of(0.5, 0, 0.25, 0.25);
  const contrast = (inactive: number, active: number) => ({
    inactive,
    active,
    difference: active - inactive,
  });
  const latent = {
    ...{ latent: 0, activeSamples: 5 },
    small: contrast(2, 5),
    large: contrast(2, 3),
  };
  return {
    threshold: 0.7,
    warnings: ["one of them is odd"],
    nearest: { cosine, nearest: Uint32Array.of(0, 0, 0, 0) },
    groups: {
      groups: [{ small: Uint32Array.of(0), large: Uint32Array.of(2, 3) }],
      ...{ smallOnly: Uint32Array.of(1), largeOnly: Uint32Array.of(0, 1), edges: 2 },
    },
    effects: { samples: 10, mse: 4, l0: 2, deltaMse, deltaL0 },
    roc: noveltyRoc(cosine, deltaMse, { activity: deltaL0 }),
    swaps: {
      ...{ samples: 10, mse: 4, l0: 2 },
      ...{ deltaMse: Float64Array.of(0.5), deltaL0: Float64Array.of(-0.5) },
    },
    similarity: {
      ...{ samples: 10, pairs: [], neverActive: 0, constant: 0 },
      fit: { activationCosine: undefined, correlation: undefined },
      fitAbove: {
        activationCosine: { slope: 1, intercept: 0, rSquared: 0.75, points: 10 },
        correlation: undefined,
      },
    },
    missing: {
      ...{ samples: 10, latents: [latent], neverActive: 1, alwaysActive: 0 },
      mean: { small: latent.small, large: latent.large },
    },
    path: [
      ...[point(0, "start", 4, 2), point(1, "insert", 3.5, 2.5), point(2, "insert", 3.6, 2.75)],
      point(3, "swap", 3, 2),
    ],
    randomInsertions: [point(0, "start", 4, 2), point(1, "insert", 3, 3)],
  };
}

Deno.test("stitchingClaims puts the run's own numbers to each claim", () => {
  const claims = stitchingClaims(study());
  const found = claims.map(({ found }) => found);
  assertStringIncludes(found[0], "2 of 4 (50.0 %)");
  assertStringIncludes(found[0], "1 of 1 (100.0 %)");
  assertStringIncludes(found[0], "−25.0 %");
  assertStringIncludes(found[1], "3.000 (small SAE), 1.000 (large SAE)");
  assertStringIncludes(found[2], "1 of 2 (50.0 %)");
  // Improving: cosines 0.1 and 0.9; worsening: 0.8. One of two pairs is in order.
  assertStringIncludes(found[3], "AUC 0.500 over 2 improving and 1 worsening");
  assertStringIncludes(found[4], "0.75");
  assertStringIncludes(found[5], "1 groups: 0 one to one, 1 split");
  assertStringIncludes(found[6], "2 insertions change the MSE by −0.400 and L0 by +0.750");
  assertStringIncludes(found[7], "1 swaps change the MSE by −0.600 and L0 by −0.750");
  assertStringIncludes(found[4], "10 pairs above a cosine of 0.5");
  assertStringIncludes(found[8], "1 of 1 (100.0 %) raise the MSE");
  assertStringIncludes(found[9], "2 of 3 (66.7 %) lower the MSE, the largest changes it by 15.0 %");
  const verdicts = claims.map(({ holds }) => holds);
  assertEquals(verdicts, [true, true, false, false, true, false, true, true, true, false]);
});

/** The verdict on the claim that begins with these words. */
function verdict(changes: Partial<PairStudy>, words: string): boolean | undefined {
  return stitchingClaims({ ...study(), ...changes })
    .find(({ claim }) => claim.startsWith(words))!.holds;
}

Deno.test("stitchingClaims: small steps are small, improve, and end below the start", () => {
  const path = (...mse: number[]) =>
    mse.map((mse, i) => point(i, i ? "insert" : "start", mse, 2 + i));
  const holds = (...mse: number[]) => verdict({ path: path(...mse) }, "One SAE goes over");
  assertEquals(holds(100, 96, 92, 93), true);
  assertEquals(holds(100, 94, 92, 93), false);
  assertEquals(holds(100, 99, 98, 102), false);
  assertEquals(holds(100, 96, 97, 98), false);
});

Deno.test("stitchingClaims: an inserted latent that is never active is no step", () => {
  const claims = stitchingClaims({
    ...study(),
    path: [point(0, "start", 4, 2), point(1, "insert", 3.9, 2), point(2, "insert", 3.8, 2.5)],
  });
  assertStringIncludes(claims[6].found, "1 insertions change the MSE by −0.100");
  assertStringIncludes(claims[9].found, "1 of 1 (100.0 %) lower the MSE");
});

Deno.test("stitchingClaims: latents both split and are composed", () => {
  const group = (small: number[], large: number[]) => ({
    small: Uint32Array.from(small),
    large: Uint32Array.from(large),
  });
  const holds = (...groups: ReturnType<typeof group>[]) =>
    verdict({ groups: { ...study().groups, groups } }, "Some latents of the smaller");
  assertEquals(holds(group([0], [0, 1]), group([1, 2], [2])), true);
  assertEquals(holds(group([0], [0, 1]), group([1, 2], [2, 3])), true);
  assertEquals(holds(group([0], [0, 1]), group([1], [2])), false);
  assertEquals(holds(group([0, 1], [0]), group([2], [2])), false);
});

Deno.test("stitchingClaims: almost always is nine in ten", () => {
  const swaps = (lowered: number) => ({
    ...study().swaps,
    deltaMse: new Float64Array(10).fill(1),
    deltaL0: Float64Array.from({ length: 10 }, (_, i) => i < lowered ? -1 : 0),
  });
  assertEquals(verdict({ swaps: swaps(9) }, "A swap made alone"), true);
  assertEquals(verdict({ swaps: swaps(8) }, "A swap made alone"), false);
});

Deno.test("stitchingClaims: few pairs make no line, one reversed curve no threshold", () => {
  const { similarity, effects } = study();
  const line = { ...similarity.fitAbove.activationCosine!, points: 9 };
  const few = { ...similarity, fitAbove: { ...similarity.fitAbove, activationCosine: line } };
  assertEquals(verdict({ similarity: few }, "Latents with similar"), undefined);
  const roc = noveltyRoc([0.1, 0.9], [1, -1]);
  const { found } = stitchingClaims({ ...study(), roc, effects })[3];
  assertStringIncludes(found, "no threshold tells them apart");
});

Deno.test("stitchingClaims turn with the numbers", () => {
  const base = study();
  const other = stitchingClaims({
    ...base,
    randomInsertions: [point(0, "start", 4, 2), point(1, "insert", 4.5, 3)],
    path: [point(0, "start", 4, 2), point(1, "insert", 4.5, 1.5), point(2, "swap", 4.25, 3)],
    swaps: { ...base.swaps, deltaMse: Float64Array.of(-1) },
    groups: {
      ...base.groups,
      groups: [{ small: Uint32Array.of(0, 1), large: Uint32Array.of(2) }],
    },
  });
  assertEquals(
    other.map(({ holds }) => holds),
    [false, true, false, false, true, false, false, false, false, false],
  );
});

Deno.test("stitchingClaims says where a run cannot tell", () => {
  const nothing = new Float64Array();
  const base = study();
  const claims = stitchingClaims({
    ...base,
    nearest: { cosine: new Float32Array(), nearest: new Uint32Array() },
    groups: {
      ...{ groups: [], smallOnly: new Uint32Array(), largeOnly: new Uint32Array(), edges: 0 },
    },
    effects: { ...base.effects, deltaMse: nothing, deltaL0: nothing },
    roc: noveltyRoc([], []),
    swaps: { ...base.swaps, deltaMse: nothing, deltaL0: nothing },
    similarity: {
      ...base.similarity,
      fitAbove: { activationCosine: undefined, correlation: undefined },
    },
    missing: { ...base.missing, latents: [], mean: undefined },
    path: [point(0, "start", 4, 2)],
    randomInsertions: [point(0, "start", 4, 2)],
  });
  for (const { holds, found } of claims) {
    assertEquals(holds, undefined);
    assert(!/NaN|undefined|Infinity|none (raise|lower)/.test(found), found);
  }
});

Deno.test("stitchingReport shows every part, escaped", () => {
  const pair = { small: "a<b", large: "c d", study: study() };
  assertEquals(pairFile(pair), "a_b_to_c_d");
  assertEquals(pairFile({ ...pair, small: "größe 1", large: "模型" }), "größe_1_to_模型");
  const row = { name: "a<b", architecture: "relu", dictSize: 2, l0: 2, mse: 4, nmse: 0.4 };
  const page = stitchingReport({
    date: "2026-01-02",
    adapter: "a GPU",
    source: { model: "m", hook: "h", samples: 10 },
    saes: [{ ...row, deadLatents: 0 }, { ...row, name: "c d", nmse: NaN, deadLatents: 1 }],
    pairs: [pair],
    overlap: {
      names: ["a<b", "c d"],
      share: [[1, 0.125], [0.375, 1]],
      meanCosine: [[1, 1], [1, 1]],
    },
    biases: {
      names: ["a<b", "c d"],
      ...{ cosine: [[1, 0.9876], [0.9876, 1]], normDifference: [[0, 0.02], [0.02, 0]] },
      ...{ leastCosine: 0.9876, mostDifference: 0.02 },
    },
    examples: [{ pair: "a<b → c d", lines: [{ kind: "split", group: "0 “x” ↔ 2, 3" }] }],
    settings: { threshold: 0.7 },
  });
  assert(!page.includes("a<b"));
  for (
    const part of ["a&lt;b → c d", "Mind: one of them is odd.", "0.375", "0.9876", "2.00 %", "“x”"]
  ) assertStringIncludes(page, part);
  assert(!/NaN|undefined/.test(page));
  assertStringIncludes(page, '<table class="prose"><caption>What the paper claims');
  for (const figure of [4, 5, 10, 11, 16, 17, 18, 19, 20]) {
    assertStringIncludes(page, `Fig. ${figure}`);
  }
});

Deno.test("pathPlots lays pairs one after the other", () => {
  const pair = { small: "a", large: "b", study: study() };
  const [mse, l0] = pathPlots([pair, { ...pair, small: "b", large: "c" }]);
  assertEquals([mse.name, l0.name], ["path_mse", "path_l0"]);
  // Three steps a pair: the second starts where the first ends.
  const starts = [...mse.svg.matchAll(/class="line" d="M([\d.]+) [^"]*?L([\d.]+) [\d.]+"/g)];
  assertEquals(starts.length, 2);
  assertEquals(starts[1][1], starts[0][2]);
});
