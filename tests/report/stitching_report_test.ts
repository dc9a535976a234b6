import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pairFile, pathPlots, shrinkagePlot } from "../../lib/report/stitching_plots.ts";
import { stitchingReport } from "../../lib/report/stitching_report.ts";
import { controlsOf, makeStudy, pathOf } from "./made_study.ts";

Deno.test("stitchingReport shows every part, escaped", () => {
  const pair = {
    small: "a<b",
    large: "c d",
    study: makeStudy({ warnings: ["one of them is odd"] }),
  };
  assertEquals(pairFile(pair), "a_b_to_c_d");
  assertEquals(pairFile({ ...pair, small: "größe 1", large: "模型" }), "größe_1_to_模型");
  const row = { name: "a<b", architecture: "relu", dictSize: 2, l0: 2, mse: 4, nmse: 0.4 };
  const page = stitchingReport({
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
    const part of ["a&lt;b → c d", "Mind: one of them is odd.", "0.375", "0.9876", "2.00 %", "“x”"]
  ) assertStringIncludes(page, part);
  assert(!/NaN|undefined/.test(page));
  assertStringIncludes(page, '<table class="prose"><caption>What the paper claims');
  for (const figure of [4, 5, 10, 11, 16, 17, 18, 19, 20]) {
    assertStringIncludes(page, `Fig. ${figure}`);
  }
});

Deno.test("pathPlots lays pairs one after the other", () => {
  const pair = { small: "a", large: "b", study: makeStudy() };
  const [mse, l0] = pathPlots([pair, { ...pair, small: "b", large: "c" }]);
  assertEquals([mse.name, l0.name], ["path_mse", "path_l0"]);
  // The second starts where the first ends.
  const starts = [...mse.svg.matchAll(/class="line" d="M([\d.]+) [^"]*?L([\d.]+) [\d.]+"/g)];
  assertEquals(starts.length, 2);
  assertEquals(starts[1][1], starts[0][2]);
});

Deno.test("shrinkagePlot draws what novel latents do, with gains and without", () => {
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
  const { name, svg } = shrinkagePlot([{ small: "a", large: "b", study }]);
  assertEquals(name, "shrinkage");
  const lines = [...svg.matchAll(/class="line" d="([^"]+)"/g)].map(([, path]) => path);
  // Two steps a curve: a latent that is never active is none, nor is a swap.
  assertEquals(lines.map((path) => path.split(/[ML]/).length - 1), [3, 3]);
  const ends = lines.map((path) => Number(path.trim().split(/[ ,]/).at(-1)));
  const starts = lines.map((path) => Number(path.slice(1).split(/[ L]/)[1]));
  assertEquals(starts[0], starts[1]);
  // −15 % and +30 %: y runs downwards.
  assert(ends[0] > starts[0] && ends[1] < starts[1], `${ends} beside ${starts}`);
  assertStringIncludes(svg, "as trained, a → b");
});

Deno.test("a report says why claims are not decided, and shows the controls", () => {
  const study = makeStudy({ controls: controlsOf({ gain: 1.2345, seed: 0 }, { seed: 0 }) });
  const page = stitchingReport({
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
