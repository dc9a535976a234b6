import { assert, assertEquals, assertMatch } from "@std/assert";
import { visibleToken } from "../../lib/report/latent_card.ts";
import { readSvg } from "./read_svg.ts";
import { type TrainingReport, trainingReport } from "../../lib/report/training_report.ts";

function record(step: number, loss: number): TrainingReport["history"][number] {
  return {
    step,
    samples: step * 8,
    loss,
    reconstructionLoss: loss,
    auxiliaryLoss: loss / 100,
    sparsityLoss: 0,
    l0: 4,
    deadLatents: step % 3,
    smallestKept: 0.5,
  };
}

// BatchTopK has one for all latents.
const THRESHOLD = new Float32Array(1024).fill(0.75);

const REPORT: TrainingReport = {
  title: "a run",
  date: "a day",
  device: "an adapter",
  model: { id: "a model", hook: "blocks.1.hook_resid_pre", layers: 2 },
  sae: { architecture: "batchtopk", dictSize: 1024, k: 4, dModel: 64, threshold: THRESHOLD },
  settings: { learningRate: 3e-4, k: 4 },
  history: Array.from({ length: 20 }, (_, i) => record(i + 1, 1 / (i + 1))),
  evaluation: {
    ...{ l2Ratio: 0.9, relativeReconstructionBias: 0.98, cossim: 0.95 },
    samples: 1000,
    mse: 3.25,
    nmse: 0.1234,
    explainedVariance: 0.8766,
    l0: 4.125,
    l0Histogram: new Uint32Array([0, 10, 20, 300, 400, 270]),
    density: new Float64Array(1024).fill(0.004),
    deadLatents: 17,
  },
  crossEntropy: {
    tokens: 990,
    clean: 3.5,
    spliced: 3.75,
    zeroAblated: 9.5,
    meanAblated: 6,
    degradation: 0.25,
    recoveredFromZero: 0.9583,
    recoveredFromMean: 0.9,
    klDivWithSae: 0.11,
    klDivWithAblation: 4.4,
    klDivScore: 0.975,
  },
  latents: [{
    latent: 1021,
    density: 0.0123,
    maxActivation: 8,
    histogram: { width: 0.5, counts: new Uint32Array([5, 4, 3, 2, 1]) },
    examples: [{
      row: 3,
      position: 9,
      tokens: ["<script>", " and", "\n", " &amp;"],
      activations: new Float32Array([8, 2, 0, 0]),
      peak: 0,
    }],
  }],
  seconds: { training: 125 },
};

Deno.test("trainingReport shows the numbers of the run", async () => {
  const html = await trainingReport(REPORT);
  const words = html.replace(/<[^>]*>/g, "|");
  for (
    const text of [
      ...["a run", "a day", "an adapter", "a model, 2 layers", "blocks.1.hook_resid_pre"],
      "batchtopk SAE, 1,024 latents on 64 dimensions, k = 4, threshold 0.75",
      ...["0.1234", "87.7 %", "4.125", "17", "3.500", "3.750", "9.500", "6.000", "0.25"],
      ...["95.8 %", "90 %", "Latent 1021", "1.23 %", "8.00", "learningRate", "2 min 5 s"],
    ]
  ) assert(words.includes(`|${text}|`) || words.includes(`${text}`), `no ${text}`);
  assertEquals([...html.matchAll(/<svg /g)].length, 4 + 2 + 1);
  // An SVG parser beside the HTML one: every figure can stand in a file of its own.
  for (const [svg] of html.matchAll(/<svg [^]*?<\/svg>/g)) readSvg(svg);
  // A sum over d beside a mean over d: each says which it is.
  assert(
    words.includes("|MSE (Σ over d) 3.25|") && words.includes("|loss, mean over samples and d|"),
  );
});

Deno.test("trainingReport shows how the thresholds of JumpReLU's latents are spread", async () => {
  const threshold = Float32Array.from({ length: 9 }, (_, i) => [4, 0.5, 2, 1, 3, 8, 6, 7, 5][i]);
  const sae = { ...REPORT.sae, architecture: "jumprelu", k: undefined, dictSize: 9, threshold };
  const html = await trainingReport({ ...REPORT, sae });
  assert(html.includes("dimensions, thresholds 0.5 to 8, median 4<"), html.slice(0, 9000));
  assert(html.includes("of 9 latents: from 0.5 to 8, quartiles 2, 4 and 6."));
  const plot = html.slice(html.indexOf('aria-label="Thresholds of latents"'));
  const bars = [...plot.slice(0, plot.indexOf("</svg>")).matchAll(/: (\d+)<\/title>/g)];
  assertEquals(bars.reduce((sum, [, count]) => sum + Number(count), 0), 9);
  for (const threshold of [undefined, THRESHOLD, new Float32Array()]) {
    const page = await trainingReport({ ...REPORT, sae: { ...REPORT.sae, threshold } });
    assert(!page.includes("Thresholds of latents") && !page.includes("thresholds"));
  }
});

Deno.test("trainingReport lists what went wrong, and shows the path of a λ that was steered", async () => {
  const message = "the loss is <b>high</b>";
  const html = await trainingReport({
    ...REPORT,
    warnings: [{ kind: "divergence", message, step: 7 }],
    history: REPORT.history.map((record, i) => ({ ...record, sparsityCoefficient: 0.1 + i })),
  });
  assert(html.includes("At step 7 the loss is &lt;b&gt;high&lt;/b&gt;."));
  assert(html.includes("Sparsity coefficient λ"));
  const constant = REPORT.history.map((record) => ({ ...record, sparsityCoefficient: 0.1 }));
  for (const plain of [REPORT, { ...REPORT, warnings: [], history: constant }]) {
    const page = await trainingReport(plain);
    assert(!page.includes("Warnings") && !page.includes("Sparsity coefficient λ"));
  }
});

Deno.test("trainingReport needs nothing else and runs nothing", async () => {
  const html = await trainingReport(REPORT);
  assertMatch(html, /default-src 'none'/);
  assert(
    !/<(script|link|img|iframe)|@import|url\(|https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(html),
  );
});

Deno.test("trainingReport escapes every text", async () => {
  const evil = `"><script>alert('x')</script>`;
  const html = await trainingReport({
    ...REPORT,
    title: evil,
    date: evil,
    device: evil,
    model: { id: evil, hook: evil, layers: 2 },
    sae: { ...REPORT.sae, architecture: evil },
    settings: { [evil]: evil, list: [evil] },
    seconds: { [evil]: 1 },
    latents: [{
      ...REPORT.latents[0],
      examples: [{ ...REPORT.latents[0].examples[0], tokens: Array(4).fill(evil) }],
    }],
  });
  assert(!html.includes("<script"));
  assert(!html.includes(`""><`));
});

Deno.test("trainingReport shades tokens by activation and points out the peak", async () => {
  const html = await trainingReport(REPORT);
  assertMatch(html, /<mark style="--a:1.00" title="8">&lt;script&gt;<\/mark>/);
  assertMatch(html, /<span style="--a:0.25" title="2"> and<\/span>↵ &amp;amp;<\/span>/);
});

Deno.test("trainingReport withstands empty, short and broken runs", async () => {
  const nothing: TrainingReport = {
    ...REPORT,
    settings: {},
    seconds: undefined,
    crossEntropy: undefined,
    latents: [],
    evaluation: {
      ...REPORT.evaluation,
      nmse: NaN,
      mse: Infinity,
      l0Histogram: new Uint32Array(),
      density: new Float64Array(4),
    },
  };
  const dead = { latent: 1, density: 0, maxActivation: 0, examples: [] };
  const histogram = { width: 0, counts: new Uint32Array() };
  for (
    const report of [
      { ...nothing, history: [] },
      { ...nothing, history: [record(1, 0.5)] },
      { ...nothing, history: [record(1, NaN), record(2, Infinity), record(3, 0)] },
      { ...nothing, history: [], latents: [{ ...dead, histogram }] },
    ]
  ) {
    const html = await trainingReport(report);
    assert(!/NaN|Infinity|undefined/.test(html));
    assertMatch(html, /no data/);
  }
});

Deno.test("trainingReport stays small for long runs", async () => {
  const history = Array.from({ length: 100_000 }, (_, i) => record(i + 1, 1 + Math.sin(i)));
  const html = await trainingReport({ ...REPORT, history });
  assert(html.length < 150_000, `${html.length} characters`);
});

Deno.test("trainingReport describes settings that are no plain values", async () => {
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const html = await trainingReport({
    ...REPORT,
    settings: {
      initial: { wEnc: new Float32Array(5000) },
      onProgress: () => {},
      missing: undefined,
      long: "x".repeat(1000),
      circular,
      big: 2n ** 70n,
      none: null,
    },
  });
  assertMatch(html, /Float32Array\(5000\)/);
  assertMatch(html, />1180591620717411303424</);
  assertMatch(html, />null</);
  assert(!html.includes("onProgress") && !html.includes("missing"));
  assert(!html.includes("x".repeat(500)));
});

Deno.test("visibleToken leaves nothing invisible", () => {
  assertEquals(visibleToken(" word"), " word");
  assertEquals(visibleToken("  "), "··");
  assertEquals(visibleToken("\r\n\n\t"), "↵↵⇥");
  assertEquals(visibleToken("a\u0000\u202eb"), "a\\u0000\\u202eb");
});
