import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LatentExamples } from "../../lib/interpretation/top_examples.ts";
import type { SparseMatrix } from "../../lib/matrix.ts";
import type { Decomposition } from "../../lib/meta/decompose.ts";
import { chooseDecomposed, chooseMetaLatents } from "../../lib/report/meta_choice.ts";
import { type ComparedMetaLatents, metaClaims } from "../../lib/report/meta_claims.ts";
import { latentLabel, metaLatentLabel, peakTokens } from "../../lib/report/meta_labels.ts";
import { metaPlots } from "../../lib/report/meta_plots.ts";
import { type MetaReport, metaReport } from "../../lib/report/meta_report.ts";

function sparse(rows: Record<number, number>[], cols: number): SparseMatrix {
  const all = rows.map((row) => Object.entries(row));
  const ends = all.map((_, r) => all.slice(0, r + 1).flat().length);
  return {
    ...{ rows: rows.length, cols },
    rowOffsets: Uint32Array.of(0, ...ends),
    latents: Uint32Array.from(all.flat(), ([col]) => Number(col)),
    values: Float32Array.from(all.flat(), ([, value]) => value),
  };
}

/** Five latents, four meta-latents: 0 and 1 share both of theirs, 3 has none; 3 is in no latent. */
function decomposition(): Decomposition {
  return {
    latents: sparse(
      [{ 0: 0.5, 1: 0.25 }, { 0: 0.25, 1: 0.75 }, { 2: 1 }, {}, { 0: 0.5, 2: 0.5 }],
      4,
    ),
    metaLatents: sparse(
      [{ 0: 0.5, 1: 0.25, 4: 0.5 }, { 0: 0.25, 1: 0.75 }, { 2: 1, 4: 0.5 }, {}],
      5,
    ),
    squaredErrors: Float32Array.of(0.25, 0.125, 0.5, 1, 0.375),
    ...{ explainedVariance: 0.5, l0: 1.4, deadMetaLatents: 1 },
  };
}

function compared(
  name: string,
  dictSize: number,
  cosine: number[],
  explainedVariance: number,
): ComparedMetaLatents {
  return {
    ...{ name, dictSize },
    cosine: Float32Array.from(cosine),
    nearest: Uint32Array.of(1, 0, 2, 1),
    meanCosine: cosine.reduce((sum, value) => sum + value, 0) / cosine.length,
    chanceCosine: dictSize / 64,
    replaced: { explainedVariance, l0: 1.25, deadMetaLatents: 2 },
  };
}

const SMALL = compared("a<b", 4, [0.75, 0.8, 0.25, 0.9], 0.475);
const LARGE = compared("c d", 16, [0.5, 0.5, 0.5, 0.95], 0.25);

function examples(latent: number, tokens: string[]): LatentExamples {
  return {
    ...{ latent, density: 0.125, maxActivation: 2, histogram: { width: 1, counts: [1, 2] } },
    examples: tokens.map((token, row) => ({
      ...{ row, position: 1, tokens: ["be<fore", token], peak: 1 },
      activations: Float32Array.of(0, 2 - row),
    })),
  } as unknown as LatentExamples;
}

const CONTEXTS = new Map([
  [0, examples(0, [" walk", "walk", "ru<n", "go", "sit"])],
  [1, examples(1, ["\n"])],
  [2, examples(2, [])],
]);

function report(change: Partial<MetaReport> = {}): MetaReport {
  return {
    date: "2026-01-02",
    adapter: "a GPU",
    sae: { name: "s<1>", architecture: "relu", dictSize: 5, dModel: 3, source: "m at h" },
    decomposition: decomposition(),
    k: 2,
    control: { explainedVariance: 0.125, l0: 2, deadMetaLatents: 0 },
    compared: [SMALL, LARGE],
    history: [],
    metaLatents: [0, 3],
    latents: [0, 3],
    contexts: CONTEXTS,
    warnings: ["one is <odd>"],
    settings: { k: 2 },
    ...change,
  };
}

Deno.test("metaClaims puts the run's own numbers to each claim", () => {
  const claims = metaClaims(report());
  const found = claims.map(({ found }) => found);
  assertStringIncludes(found[0], "explains 50 % of their variance");
  assertStringIncludes(found[0], "the same training 12.5 %");
  assertStringIncludes(found[0], "1 of 4 meta-latents are in no latent");
  assertStringIncludes(found[1], "3 of 5 (60 %) have two or more, 1 have none; on average 1.40");
  assertStringIncludes(found[1], "asked for 2");
  // The SAE of 16 is larger than the one taken apart: only the other counts.
  assertStringIncludes(found[2], "3 of 4 (75 %) do");
  assertStringIncludes(found[2], "a<b 0.675 (random directions 0.063).");
  assertStringIncludes(found[3], "a<b +0.613, c d +0.363");
  assertStringIncludes(found[4], "50 % before, 47.5 % with a<b, 25 % with c d");
  assertEquals(claims.map(({ holds }) => holds), [true, true, true, true, true]);
});

Deno.test("metaClaims turn with the numbers", () => {
  const base = report();
  const claims = metaClaims({
    ...base,
    control: { ...base.control!, explainedVariance: 0.45 },
    decomposition: { ...base.decomposition, latents: sparse([{ 0: 1 }, {}, {}, {}, {}], 4) },
    compared: [
      compared("x", 4, [0.75, 0.69, 0.1, 0.7], 0.44),
      compared("y", 16, [0.9, 0.9, 0.9, 0.95], 0.5),
    ],
  });
  assertEquals(claims.map(({ holds }) => holds), [false, false, false, false, false]);
});

Deno.test("sizes are near by their ratio: to 4 meta-latents 8 latents more than 1", () => {
  const one = compared("x", 1, [0.75, 0.75, 0.75, 0.75], 0.25);
  const eight = compared("y", 8, [0.95, 0.95, 0.95, 0.95], 0.475);
  const [, , , size, replacement] = metaClaims(report({ compared: [one, eight] }));
  assertEquals([size.holds, replacement.holds], [true, true]);
});

Deno.test("metaClaims says where a run cannot tell", () => {
  const base = decomposition();
  const nothing = { ...base, latents: sparse([], 4), explainedVariance: NaN };
  const claims = metaClaims({ decomposition: nothing, compared: [] });
  for (const { holds, found } of claims) {
    assertEquals(holds, undefined);
    assert(!/NaN|undefined|Infinity/.test(found), found);
  }
  const [structure] = metaClaims(report({ control: undefined }));
  assertEquals(structure.holds, undefined);
  assertStringIncludes(structure.found, "No control");
  // Of nothing that is explained, nothing can be lost.
  const none = metaClaims(report({ decomposition: { ...base, explainedVariance: -0.1 } }));
  assertEquals([none[0].holds, none[4].holds], [false, undefined]);
});

Deno.test("labels name latents by the tokens at which they peak, each once", () => {
  assertEquals(peakTokens(0, CONTEXTS), ["“walk”", "“ru<n”", "“go”"]);
  assertEquals(peakTokens(1, CONTEXTS), ["“␣”"]);
  assertEquals(latentLabel(2, CONTEXTS), "2");
  assertEquals(latentLabel(0, new Map()), "0");
  assertEquals(metaLatentLabel(0, decomposition(), CONTEXTS), "M0 “walk” “␣”");
  assertEquals(metaLatentLabel(3, decomposition(), CONTEXTS), "M3");
});

Deno.test("chosen are latents with several meta-latents, each of another strongest first", () => {
  // 1 is explained best, 0 and 4 have the same strongest meta-latent.
  assertEquals(chooseDecomposed(decomposition(), 12), [1, 0, 4]);
  assertEquals(chooseDecomposed(decomposition(), 2), [1, 0]);
  assertEquals(chooseDecomposed(decomposition(), 12, (latent) => latent !== 0), [1, 4]);
  const squaredErrors = Float32Array.of(0.25, 0.375, 0.5, 1, 0.3);
  assertEquals(chooseDecomposed({ ...decomposition(), squaredErrors }, 12), [0, 1, 4]);
  assertEquals(chooseMetaLatents(decomposition(), 12), [2, 0, 1]);
  assertEquals(chooseMetaLatents(decomposition(), 1), [2]);
});

Deno.test("metaReport shows every part, escaped", () => {
  const page = metaReport(report());
  assert(!/NaN|undefined|a<b|s<1>|ru<n|be<fore|<odd>/.test(page));
  for (
    const part of [
      ...["s&lt;1&gt;, taken apart", "m at h", "Mind: one is &lt;odd&gt;.", "Fig. 6", "Fig. 23"],
      ...["Beside a&lt;b", "nearest in c d", "1, cosine 0.50", "No latent uses it."],
      ...["Latent 0 “walk” “ru&lt;n” “go”", "M0 “walk” “␣”", "No meta-latent is active in it."],
      ...["47.5 %", "12.5 %", "0.675"],
    ]
  ) assertStringIncludes(page.replaceAll("beside a&lt;b (", "Beside a&lt;b"), part);
  assertEquals(page.match(/Decomposition of /g)?.length, 2);
  assertEquals(metaReport(report()), page);
});

Deno.test("metaReport without text, control, other SAEs and meta-latents has numbers only", () => {
  const bare = report({
    ...{ control: undefined, compared: [], metaLatents: [], contexts: new Map(), warnings: [] },
    sae: { name: "s", architecture: "relu", dictSize: 5, dModel: 3 },
  });
  const page = metaReport(bare);
  assert(!/NaN|undefined|“|Fig. 23 |<h2>Meta-latents/.test(page));
  assertStringIncludes(page, "No text was read");
  assertStringIncludes(page, "not trained");
  assertEquals(metaPlots(bare), []);
});

Deno.test("metaPlots draws a histogram an SAE, named after it", () => {
  const plots = metaPlots(report());
  assertEquals(
    plots.map(({ name }) => name),
    ["mean_cosine", "replacement", "cosine_a_b", "cosine_c_d"],
  );
  assertStringIncludes(plots[2].svg, "mean 0.68");
  const alone = metaPlots(report({ control: undefined, compared: [SMALL] }));
  assert(!alone[1].svg.includes("random vectors"));
  for (const { svg } of [...plots, ...alone]) assert(!/NaN|undefined/.test(svg));
});
