import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LatentExamples } from "../../lib/interpretation/top_examples.ts";
import { chooseDecomposed, chooseMetaLatents } from "../../lib/meta/read_decomposition.ts";
import { latentLabel, metaLatentLabel, peakTokens } from "../../lib/report/meta_cards.ts";
import { metaPlots } from "../../lib/report/meta_plots.ts";
import { type MetaReport, metaReport } from "../../lib/report/meta_report.ts";
import { readSvg } from "./read_svg.ts";
import { compared, control, decomposition } from "./made_findings.ts";

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
    device: "a GPU",
    sae: { name: "s<1>", architecture: "relu", dictSize: 5, dModel: 3, source: "m at h" },
    decomposition: decomposition(),
    k: 2,
    controls: { isotropic: control(0.125, 0.1), matched: control(0.375, 0.2) },
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

Deno.test("labels name latents by the tokens at which they peak, each once", () => {
  assertEquals(peakTokens(0, CONTEXTS), ["“walk”", "“ru<n”", "“go”"]);
  assertEquals(peakTokens(1, CONTEXTS), ["“␣”"]);
  assertEquals(latentLabel(2, CONTEXTS), "2");
  assertEquals(latentLabel(0, new Map()), "0");
  const source = { decomposition: decomposition(), contexts: CONTEXTS };
  assertEquals(metaLatentLabel(0, source), "M0 “walk” “␣”");
  assertEquals(metaLatentLabel(3, source), "M3");
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

Deno.test("metaReport shows every part, escaped", async () => {
  const page = await metaReport(report());
  assert(!/NaN|undefined|a<b|s<1>|ru<n|be<fore|<odd>/.test(page));
  for (
    const part of [
      ...["s&lt;1&gt;, decomposed", "m at h", "Note: one is &lt;odd&gt;.", "Fig. 6", "Fig. 23"],
      ...["Beside a&lt;b", "nearest in c d", "1, cosine 0.50", "No latent uses it."],
      ...["Latent 0 “walk” “ru&lt;n” “go”", "M0 “walk” “␣”", "No meta-latent is active in it."],
      ...["47.5 % (6.25 %, 12.5 %)", "12.5 %, 37.5 %", "0.675 (0.250, 0.313)"],
    ]
  ) {
    assertStringIncludes(
      page.replaceAll("beside a&lt;b (", "Beside a&lt;b").replaceAll("&nbsp;", " "),
      part,
    );
  }
  assertEquals(page.match(/aria-label="Decomposition of /g)?.length, 1);
  assertEquals(await metaReport(report()), page);
});

Deno.test("metaReport without text, control, other SAEs and meta-latents has numbers only", async () => {
  const bare = report({
    ...{ controls: undefined, compared: [], metaLatents: [], contexts: new Map(), warnings: [] },
    sae: { name: "s", architecture: "relu", dictSize: 5, dModel: 3 },
  });
  const page = await metaReport(bare);
  assert(!/NaN|undefined|“|Fig. 23 |<h2>Meta-latents/.test(page));
  assertStringIncludes(page, "No text was read");
  assertStringIncludes(page, "not trained");
  assertEquals(metaPlots(bare), []);
});

Deno.test("metaPlots draws a histogram an SAE, named after it", async () => {
  const plots = await Promise.all(metaPlots(report()));
  assertEquals(
    plots.map(({ name }) => name),
    ["mean_cosine", "replacement", "cosine_a_b", "cosine_c_d"],
  );
  assertStringIncludes(plots[2].svg, "mean 0.68");
  for (const label of ["by random unit rows", "by random rows of its covariance"]) {
    assert(readSvg(plots[1].svg).legend.includes(label), label);
  }
  const { isotropic } = SMALL.replacedControls;
  const one = { ...SMALL, replacedControls: { isotropic } };
  const alone = await Promise.all(metaPlots(report({ controls: undefined, compared: [one] })));
  // Random unit rows stand beside it always.
  assertStringIncludes(alone[1].svg, "by random unit rows");
  assert(!alone[1].svg.includes("covariance"));
  for (const { svg } of [...plots, ...alone]) readSvg(svg);
});
