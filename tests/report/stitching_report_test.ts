import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { pathPlots } from "../../lib/report/path_plots.ts";
import {
  missingPlot,
  overlapPlot,
  rocPlot,
  shrinkagePlot,
  similarityPlot,
} from "../../lib/report/stitching_plots.ts";
import { pairFile } from "../../lib/stitching/study_chain.ts";
import { stitchingReport } from "../../lib/report/stitching_report.ts";
import { controlsOf, makeStudy, pathOf } from "./made_study.ts";
import { pathPoints, readSvg } from "./read_svg.ts";

Deno.test("stitchingReport shows every part, escaped", async () => {
  const pair = {
    small: "a<b",
    large: "c d",
    study: makeStudy({ warnings: ["one of them is odd"] }),
  };
  assertEquals(pairFile(pair), "a_b_to_c_d");
  assertEquals(pairFile({ ...pair, small: "größe 1", large: "模型" }), "größe_1_to_模型");
  const row = { name: "a<b", architecture: "relu", dictSize: 2, l0: 2, mse: 4, nmse: 0.4 };
  const page = await stitchingReport({
    date: "2026-01-02",
    device: "a GPU",
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
    const part of ["a&lt;b → c d", "Note: one of them is odd.", "0.38", "0.9876", "2.00 %", "“x”"]
  ) assertStringIncludes(page, part);
  assert(!/NaN|undefined/.test(page));
  assertStringIncludes(page, '<table class="prose"><caption>What the paper claims');
  for (const figure of [4, 5, 10, 11, 14, 16, 17, 18, 19, 20]) {
    assertStringIncludes(page, `Fig. ${figure}`);
  }
});

const study = makeStudy();
const PAIR = { small: "a", large: "b", study };

Deno.test("pathPlots draws phases over the number of latents, with averages", async () => {
  const [mse, l0] = await Promise.all(pathPlots([PAIR]));
  assertEquals([mse.name, l0.name], ["path_mse", "path_l0"]);
  const { marks, legend, ticks, words } = readSvg(mse.svg);
  const averages = 2;
  assertEquals(legend, [
    ...["novel latents inserted", "groups swapped", "rest of the small SAE removed"],
    "average of a phase",
  ]);
  const lines = marks("line").map((line) => pathPoints(line).flat());
  // 60 insertions, 40 swaps, one removal; each with the point that it starts from.
  assertEquals(lines.map(({ length }) => length), [61, 41, 2, 2, 2]);
  assertEquals(lines.length, 3 + averages);
  assertEquals([lines[0].at(-1), lines[1].at(-1)], [lines[1][0], lines[2][0]]);
  assertEquals(lines[3], [lines[0][0], lines[0].at(-1)]);
  // A made path counts its steps as latents of the large SAE.
  assertEquals(lines[0][0][0], ticks("x").get("100"));
  // Rules at both SAEs.
  assertEquals(marks("rule").length, 2);
  assert(words.includes("latents in the stitched SAE; dotted: SAEs of 100, 200"));
  const total = 60 * -0.2 - 0.001 * (59 * 60 / 2);
  assertStringIncludes(
    mse.svg,
    `inserted in 60 steps, MSE −${(-total / 60).toPrecision(4)} a step`,
  );
});

Deno.test("rocPlot has a curve per pair, named with its AUC, over a quiet line of chance", async () => {
  const { svg } = await rocPlot([PAIR, { ...PAIR, large: "c" }]);
  const { marks, legend, words } = readSvg(svg);
  const auc = study.roc.auc!.toFixed(3);
  assertEquals(legend, [`AUC ${auc}, a → b`, `AUC ${auc}, a → c`]);
  assertEquals(marks("line").length, 3);
  assert(words.includes("chance"));
});

Deno.test("similarityPlot draws both fits with their R²", async () => {
  const { pairs, fit, fitAbove } = study.similarity;
  const { marks, legend } = readSvg((await similarityPlot(PAIR)).svg);
  assertEquals(marks("dot").length, pairs.length);
  assertEquals(legend, [
    "pairs of latents",
    `fit above 0.5: R² = ${fitAbove.activationCosine!.rSquared.toFixed(2)}`,
    `fit of all: R² = ${fit.activationCosine!.rSquared.toFixed(2)}`,
  ]);
  const unfit = { ...study.similarity, fit: {}, fitAbove: {} } as typeof study.similarity;
  const alone = await similarityPlot({ ...PAIR, study: { ...study, similarity: unfit } });
  assertEquals(readSvg(alone.svg).marks("line").length, 0);
});

Deno.test("missingPlot has a bar for each SAE and state, with its MSE", async () => {
  const { svg } = await missingPlot(PAIR);
  const { words, legend } = readSvg(svg);
  assertEquals(legend, ["novel latent inactive", "novel latent active"]);
  assertEquals(svg.match(/<rect /g)?.length, 4);
  for (const word of ["100", "130", "50", "55", "a", "b"]) assert(words.includes(word), word);
  const none = { ...study.missing, mean: undefined };
  const empty = await missingPlot({ ...PAIR, study: { ...study, missing: none } });
  assert(readSvg(empty.svg).words.includes("no data"));
});

Deno.test("overlapPlot writes shares into cells", async () => {
  const overlap = { names: ["a", "b"], share: [[1, 0.125], [0.375, 1]], meanCosine: [] };
  const { marks, words } = readSvg((await overlapPlot(overlap, [PAIR])).svg);
  assertEquals(marks("cell").length, 4);
  for (const word of ["1.00", "0.13", "0.38"]) assert(words.includes(word), word);
});

Deno.test("shrinkagePlot draws what novel latents do, with gains and without", async () => {
  const study = makeStudy({
    path: pathOf([["insert", -10, 0.1, 50], ["insert", 0, 0, -7], ["insert", -5, 0.1], [
      "swap",
      -80,
      0,
    ]]),
    withGain: {
      effects: makeStudy().effects,
      path: pathOf([["insert", 20, 0.1, 50], ["insert", 0, 0], ["insert", 10, 0.1]]),
    },
  });
  const { name, svg } = await shrinkagePlot([{ small: "a", large: "b", study }]);
  assertEquals(name, "shrinkage");
  const { marks, legend, ticks } = readSvg(svg);
  assertEquals(legend, ["as trained, a → b", "with gains, a → b"]);
  const lines = marks("line").map((line) => pathPoints(line).flat());
  // Two steps a curve: a latent that is never active is none, nor is a swap.
  assertEquals(lines.map(({ length }) => length), [3, 3]);
  const y = ticks("y");
  assertEquals(lines[0][0], lines[1][0]);
  // Changes of −15 % and +30 %.
  const [least, most] = lines.map((line) => line.at(-1)![1]);
  const [zero, twenty] = [y.get("0")!, y.get("20")!];
  assertAlmostEquals((least - zero) / (twenty - zero), -0.75, 1e-3);
  assertAlmostEquals((most - zero) / (twenty - zero), 1.5, 1e-3);
});

Deno.test("a report says why claims are not decided, and shows the controls", async () => {
  const study = makeStudy({ controls: controlsOf({ gain: 1.2345, seed: 0 }, { seed: 0 }) });
  const page = await stitchingReport({
    ...{ date: "2026-01-02", device: "a GPU", saes: [], settings: {} },
    source: { model: "m", hook: "h", samples: 10 },
    pairs: [{ small: "a", large: "b", study }],
    overlap: { names: [], share: [], meanCosine: [] },
    biases: {
      ...{ names: [], cosine: [], normDifference: [], leastCosine: 1, mostDifference: 0 },
    },
  });
  assertStringIncludes(page, "Nothing is decided: both SAEs were trained from seed 0");
  assertEquals(page.match(/trained from seed 0/g)!.length, 1);
  assert(!page.includes(">holds<"));
  assertEquals(page.match(/>not decided</g)!.length, 11);
  assertStringIncludes(page, "1.2345");
  assertStringIncludes(page, "shrinkage control");
});
