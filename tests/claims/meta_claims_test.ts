// Each claim where it holds, where it does not, and where the run cannot decide it.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Claim } from "../../lib/claims/verdict.ts";
import { metaClaims } from "../../lib/claims/meta_claims.ts";
import type { ComparedMetaLatents, MetaFindings } from "../../lib/meta/meta_findings.ts";
import {
  compared,
  control,
  decomposed,
  goodFindings,
  sparse,
  twenty,
} from "../report/made_findings.ts";

const GOOD = goodFindings();
const [SMALL, LARGE] = GOOD.compared;
const NAMES = ["structure", "composition", "resemblance", "size", "replacement"] as const;

function judge(name: typeof NAMES[number], change: Partial<MetaFindings> = {}): Claim {
  const claims = metaClaims({ ...GOOD, ...change });
  for (const { holds, why, found } of claims) {
    assertEquals(why !== undefined, holds === undefined);
    assert(!/NaN|undefined|Infinity/.test(`${found} ${why ?? ""}`), `${found} ${why}`);
  }
  return claims[NAMES.indexOf(name)];
}

function assertOpen({ holds, why }: Claim, text: string): void {
  assertEquals(holds, undefined);
  assertStringIncludes(why!, text);
}

const explaining = (explainedVariance: number) => ({
  decomposition: { ...GOOD.decomposition, explainedVariance },
});
const controls = (isotropic: number, matched: number) => ({
  controls: {
    ...GOOD.controls,
    isotropic: control(isotropic, 0.2),
    matched: control(matched, 0.4),
  },
});

Deno.test("all claims hold where the meta-SAE beats both controls", () => {
  const claims = metaClaims(GOOD);
  assertEquals(claims.map(({ holds }) => holds), [true, true, true, true, true]);
  const found = claims.map(({ found }) => found);
  assertStringIncludes(found[0], "explains 50 % of their variance");
  assertStringIncludes(
    found[0],
    "12.5 % of that of random unit rows and 25 % of that of random rows",
  );
  assertStringIncludes(found[1], "60 of 60 (100 %) have two or more meta-latents");
  assertStringIncludes(found[1], "60 of 60 (100 %, 95 % interval 94 % to 100 %) are compositions");
  assertStringIncludes(found[2], "small 0.847 (random unit rows 0.250, of its covariance 0.313)");
  assertStringIncludes(found[3], "small +0.535, large +0.235");
  assertStringIncludes(
    found[4],
    "50 % before, 48 % with small (random unit rows in their place 6.25 %, of its covariance 12.5 %)",
  );
});

Deno.test("structure holds above both controls, not above one of them", () => {
  assertEquals(judge("structure", controls(0.1, 0.4)).holds, true);
  assertEquals(judge("structure", controls(0.1, 0.49)).holds, false);
  assertEquals(judge("structure", controls(0.49, 0.1)).holds, false);
  assertOpen(judge("structure", controls(0.1, 0.44)), "1.14 times as much is too near to 1.2");
  // 1.5 times, but of next to nothing.
  assertOpen(judge("structure", { ...explaining(0.03), ...controls(0.02, 0.02) }), "1.50 times");
  assertOpen(judge("structure", { controls: undefined }), "no control was trained");
  assertOpen(judge("structure", controls(-0.1, 0.1)), "explains −10 % of random unit rows");
  const [isotropic, matched] = [control(0.1, 0.1), { ...control(0.1, 0.1), lossChange: -0.1 }];
  assertOpen(
    judge("structure", { controls: { isotropic, matched } }),
    "the loss of the control on random rows still fell by 10 %",
  );
});

Deno.test("composition is judged by what several meta-latents add, not by their number", () => {
  const sharing = (share: (i: number) => number, single?: number) => ({
    decomposition: decomposed(60, 20, 0.5, share, single),
  });
  // All have two meta-latents, and gain no more by it than random rows do.
  const random = judge("composition", sharing((i) => 0.4 * i / 59));
  assertEquals(random.holds, false);
  assertStringIncludes(random.found, "60 of 60 (100 %) have two or more meta-latents");
  assertEquals(judge("composition", sharing(() => 0)).holds, false);
  // More than one control has, but not than the other.
  assertEquals(judge("composition", sharing(() => 0.3)).holds, false);
  // Most of what is left, but the best single meta-latent leaves next to nothing.
  assertEquals(judge("composition", sharing(() => 0.9, 0.05)).holds, false);
  assertEquals(judge("composition", sharing(() => 0.9, 0)).holds, false);
  // 33 of 60: a half is within the interval.
  assertOpen(judge("composition", sharing((i) => i < 33 ? 0.6 : 0)), "the bound is 50 %");
  assertEquals(judge("composition", sharing((i) => i < 42 ? 0.6 : 0)).holds, true);
  assertEquals(judge("composition", sharing((i) => i < 20 ? 0.6 : 0)).holds, false);
  // A meta-SAE trained with k = 1 explains with one meta-latent what this one takes two for.
  const single = { ...decomposed(60, 20, 0.5, () => 0, 0.375), lossChange: 0 };
  const beside = (change: Partial<typeof single>) => ({
    controls: { ...GOOD.controls!, single: { ...single, ...change } },
  });
  assertEquals(judge("composition", beside({})).holds, false);
  // More training could only find fewer compositions.
  assertEquals(judge("composition", beside({ lossChange: -0.1 })).holds, false);
  assertOpen(
    judge("composition", beside({ lossChange: -0.1, singleErrors: new Float32Array(60).fill(1) })),
    "the loss of the meta-SAE with one meta-latent per row still fell by 10 %",
  );
  const { isotropic, matched } = GOOD.controls!;
  assertOpen(
    judge("composition", { controls: { isotropic, matched } }),
    "no meta-SAE with one meta-latent per row was trained",
  );
  assertOpen(judge("composition", { controls: undefined }), "no control was trained");
  const none = { decomposition: { ...decomposed(0, 20, 0.5, () => 0), latents: sparse([], 20) } };
  assertOpen(judge("composition", none), "there are no latents");
});

Deno.test("resemblance is a cosine of 0.7 that random rows of that width do not have", () => {
  const beside = (cosine: (i: number) => number, chance?: [number, number]) => ({
    compared: [compared("x", 20, twenty(cosine), 0.4, chance)],
  });
  assertEquals(judge("resemblance", beside(() => 0.75)).holds, true);
  assertEquals(judge("resemblance", beside(() => 0.65)).holds, false);
  // So many rows in so few dimensions that random ones are as near: of either kind.
  const few = judge("resemblance", beside(() => 0.8, [0.85, 0.3]));
  assertEquals(few.holds, false);
  assertStringIncludes(few.found, "with random rows 20 reach 0.7 (x)");
  assertEquals(judge("resemblance", beside(() => 0.8, [0.3, 0.85])).holds, false);
  assertOpen(judge("resemblance", beside((i) => i < 11 ? 0.9 : 0.1)), "the bound is 50 %");
  assertOpen(judge("resemblance", { compared: [] }), "an SAE with fewer latents");
  assertOpen(judge("resemblance", { compared: [LARGE] }), "an SAE with fewer latents");
  assertOpen(
    judge("resemblance", { compared: [{ ...SMALL, seed: 3 }] }),
    "small has the seed of the meta-SAE, 3",
  );
  assertOpen(
    judge("resemblance", { compared: [{ ...SMALL, seed: 0 }] }),
    "small has the seed of the decomposed SAE, 0",
  );
  assertOpen(
    judge("resemblance", { compared: [{ ...SMALL, lossChange: -0.08 }] }),
    "the loss of small still fell by 8 %",
  );
  assertOpen(
    judge("resemblance", { compared: [{ ...SMALL, nmse: 1.5 }] }),
    "small is no better than the mean (NMSE 1.5)",
  );
  // Meta-latents that no latent uses have not moved, and do not count.
  const used = sparse(
    Array.from({ length: 20 }, (_, i): Record<number, number> => i < 10 ? { 0: 1 } : {}),
    60,
  );
  const half = { decomposition: { ...GOOD.decomposition, metaLatents: used } };
  const found = judge("resemblance", { ...half, ...beside((i) => i < 10 ? 0.9 : 0.1) });
  assertEquals(found.holds, true);
  assertStringIncludes(found.found, "10 of 10 (100 %");
});

Deno.test("the size that is most alike is told from the others by more than its spread", () => {
  const sizes = (small: (i: number) => number, large: (i: number) => number) => ({
    compared: [
      compared("small", 20, twenty(small), 0.4),
      compared("large", 400, twenty(large), 0.4),
    ],
  });
  const spread = (i: number) => 0.7 + (i % 2) / 10;
  assertEquals(judge("size", sizes((i) => spread(i) + 0.1, () => 0.7)).holds, true);
  assertEquals(judge("size", sizes(() => 0.6, spread)).holds, false);
  assertOpen(judge("size", sizes((i) => spread(i) + 0.01, () => 0.75)), "too small");
  const chance = { isotropic: twenty(() => 0.2), matched: twenty(() => 0.3125) };
  const few = sizes((i) => chance.matched[i] + (i % 2 ? 0.01 : -0.01), () => 0.3125);
  assertOpen(judge("size", few), "none of the SAEs is clearly more like them than random rows");
  const wanted = "it takes an SAE of about their number and one of another size";
  for (const beside of [[], [SMALL], [LARGE], [SMALL, { ...SMALL, name: "other" }]]) {
    assertOpen(judge("size", { compared: beside }), wanted);
  }
  assertOpen(judge("size", { compared: [SMALL, { ...LARGE, seed: 3 }] }), "large has the seed");
  // 40 are as near to 20 as 10 are; 41 are not.
  for (const [dictSize, holds] of [[40, true], [10, true], [41, undefined]] as const) {
    assertEquals(judge("size", { compared: [{ ...SMALL, dictSize }, LARGE] }).holds, holds);
  }
});

Deno.test("replacement counts what is left beyond random rows in their place", () => {
  const replaced = (share: number, isotropic: number, matched?: number): ComparedMetaLatents[] => {
    const measures = (explainedVariance: number) => ({ ...SMALL.replaced, explainedVariance });
    return [{
      ...SMALL,
      replaced: measures(share),
      replacedControls: {
        isotropic: measures(isotropic),
        ...(matched === undefined ? {} : { matched: measures(matched) }),
      },
    }];
  };
  const judged = (...shares: [number, number, number?]) =>
    judge("replacement", { compared: replaced(...shares) });
  assertEquals(judged(0.48, 0.1, 0.2).holds, true);
  // 0.46 is 92 % of 0.5, but 0.06 of the 0.1 that random rows do not have.
  assertEquals(judged(0.46, 0.1, 0.4).holds, false);
  assertEquals(judged(0.46, 0.4, 0.1).holds, false);
  assertEquals(judged(0.3, 0.1, 0.1).holds, false);
  // What explains less than the mean is no loss to be made up for.
  assertEquals(judged(0.46, -0.5, -0.5).holds, true);
  assertOpen(judged(0.49, 0.45, 0.1), "random rows in their place explain 45 %");
  assertOpen(judged(0.49, 0.1, 0.47), "random rows in their place explain 47 %");
  assertOpen(judged(0.48, 0.1), "no control of the same covariance was trained");
  assertOpen(judged(NaN, 0.1, 0.1), "is not known");
  assertOpen(judge("replacement", { compared: [] }), "between half and twice as many");
  assertOpen(judge("replacement", { compared: [LARGE] }), "between half and twice as many");
  assertOpen(judge("replacement", { compared: [{ ...SMALL, seed: 0 }] }), "small has the seed");
  const [falling] = replaced(0.48, 0.1, 0.2);
  falling.replaced = { ...falling.replaced, lossChange: -0.05 };
  assertOpen(judge("replacement", { compared: [falling] }), "with rows of small still fell by 5 %");
  // Random rows that were not trained to the end explain less than they can.
  for (
    const [kind, text] of [
      ["isotropic", "with random unit rows still fell by 5 %"],
      ["matched", "with random rows of the covariance of small still fell by 5 %"],
    ] as const
  ) {
    const [early] = replaced(0.48, 0.1, 0.2);
    early.replacedControls[kind]!.lossChange = -0.05;
    assertOpen(judge("replacement", { compared: [early] }), text);
  }
  // The SAE that is nearest in size decides.
  const other = { ...SMALL, name: "other", dictSize: 30, replaced: { ...SMALL.replaced } };
  other.replaced.explainedVariance = 0.2;
  assertEquals(judge("replacement", { compared: [other, SMALL] }).holds, true);
});

Deno.test("nothing is decided of a meta-SAE or an SAE that is no ground for it", () => {
  const cases: [Partial<MetaFindings>, string][] = [
    [explaining(-0.1), "the meta-SAE explains −10 %, no more than the mean of the rows"],
    [explaining(0), "the meta-SAE explains 0 %"],
    [explaining(NaN), "the decoder rows do not vary"],
    [explaining(-Infinity), "the decoder rows do not vary"],
    [{ meta: { lossChange: -0.031 } }, "the loss of the meta-SAE still fell by 3.1 % at its end"],
    [{ sae: { lossChange: -0.2 } }, "the loss of the SAE still fell by 20 %"],
    [{ sae: { nmse: 1 } }, "the SAE is no better than the mean (NMSE 1)"],
    [{ sae: { nmse: 1.25 } }, "(NMSE 1.25)"],
  ];
  for (const [change, text] of cases) {
    for (const name of NAMES) assertOpen(judge(name, change), text);
  }
  // A loss that falls slowly, or rose, is done; what is not known does not decide.
  for (const lossChange of [-0.029, 0.05, undefined]) {
    for (const name of NAMES) {
      assertEquals(judge(name, { meta: { lossChange }, sae: { lossChange } }).holds, true);
    }
  }
  assertEquals(judge("structure", { meta: undefined, sae: undefined }).holds, true);
});

Deno.test("without controls and other SAEs nothing is decided, and everything is said", () => {
  const { decomposition } = GOOD;
  for (const { holds, found } of metaClaims({ decomposition, compared: [] })) {
    assertEquals(holds, undefined);
    assert(!/NaN|undefined|Infinity/.test(found), found);
  }
});
