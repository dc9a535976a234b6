// Pages as a browser lays them out: nothing is cut off, on a phone, on a screen and in print.
import { assertEquals } from "@std/assert";
import { chromium } from "playwright-core";
import { latentPage } from "../../lib/report/latent_page.ts";
import { metaReport } from "../../lib/report/meta_report.ts";
import { stitchingReport } from "../../lib/report/stitching_report.ts";
import { sweepReport } from "../../lib/report/sweep_report.ts";
import { trainingReport } from "../../lib/report/training_report.ts";
import type { SweepRow } from "../../lib/sweep/sweep_row.ts";
import { CHROMIUM } from "../browser/chromium.ts";
import { madeDashboard, madeLogits } from "../explorer/made_dashboards.ts";
import { compared, decomposition } from "./made_findings.ts";
import { makeStudy, times } from "./made_study.ts";

const LONG = "matryoshka_batchtopk_m98304_k32_lr0.0003_seed1";
const ABOUT = { date: "2026-01-02", device: "Some GPU (driver 1.2.3)", settings: { k: 4, LONG } };
const histogram = { width: 0.5, counts: Uint32Array.of(50000, 400, 3, 2, 1) };
const example = {
  ...{ row: 3, position: 9, tokens: ["be", "fore".repeat(30), " it"], peak: 1 },
  activations: Float32Array.of(0.1, 8, 2),
};
const latent = (latent: number) => ({
  ...{ latent, density: 0.0123, maxActivation: 8, histogram, examples: times(6, example) },
});

const PAGES: Record<string, Promise<string>> = {
  training: trainingReport({
    ...{ ...ABOUT, title: `${LONG} · blocks.20.hook_resid_pre` },
    model: { id: LONG, hook: "blocks.20.hook_resid_pre", layers: 24 },
    sae: {
      architecture: "jumprelu",
      dictSize: 98304,
      dModel: 2048,
      threshold: Float32Array.of(1, 2),
    },
    history: times(50, (i) => ({
      ...{ step: 1000 * i, samples: i, loss: 2 / (i + 1), reconstructionLoss: 1 / (i + 1) },
      ...{ auxiliaryLoss: 1e-5, sparsityLoss: 0.1, l0: 12345.6, deadLatents: 98304 - i },
      ...{ smallestKept: 1e-4 / (i + 1) },
    })),
    warnings: [{ kind: "divergence", message: `the loss of ${LONG} rose`, step: 7 }],
    evaluation: {
      ...{ l2Ratio: 0.9, relativeReconstructionBias: 0.98, cossim: 0.95 },
      ...{ samples: 1e6, mse: 31415.9, nmse: 0.1234, explainedVariance: 0.8766, l0: 2.5 },
      l0Histogram: Uint32Array.of(0, 123456, 20, 300, 1),
      ...{ density: Float64Array.of(1e-6, 0.5, 0.01), deadLatents: 12345 },
    },
    latents: [latent(98303)],
    seconds: { [LONG]: 7425 },
  }),
  sweep: sweepReport({
    ...{ ...ABOUT, model: { id: LONG, hook: "blocks.20.hook_resid_pre" } },
    rows: ["batchtopk", "matryoshka_batchtopk"].flatMap((architecture) =>
      [8, 98304].flatMap((dictSize) =>
        [8, 64].map((k) => ({
          ...{ name: `${LONG}_${k}`, architecture, dictSize, k, l0: k, variant: "lr0.0003" },
          ...{ nmse: 1 / k, mse: 3141.59, ceDegradation: 0.5, warnings: "not_converged" },
        } as unknown as SweepRow))
      )
    ),
  }),
  stitching: stitchingReport({
    ...ABOUT,
    source: { model: LONG, hook: "blocks.20.hook_resid_pre", samples: 1e6 },
    saes: [
      {
        name: LONG,
        architecture: LONG,
        dictSize: 98304,
        l0: 64,
        mse: 31415.9,
        nmse: 0.5,
        deadLatents: 9,
      },
    ],
    pairs: [{ small: LONG, large: `${LONG}_x`, study: makeStudy({ warnings: [LONG.repeat(4)] }) }],
    overlap: { names: [LONG, `${LONG}_x`], share: [[1, 0.125], [0.375, 1]], meanCosine: [] },
    biases: {
      ...{ names: [LONG, LONG], cosine: [[1, 0.5], [0.5, 1]], normDifference: [] },
      ...{ leastCosine: 0.5, mostDifference: 0.02 },
    },
    examples: [{ pair: LONG, lines: [{ kind: "split", group: "0 “x” ↔ 2, 3".repeat(9) }] }],
  }),
  meta: metaReport({
    ...{ ...ABOUT, decomposition: decomposition(), k: 2, history: [], warnings: [] },
    sae: { name: LONG, architecture: "relu", dictSize: 5, dModel: 3, source: LONG },
    compared: [compared(LONG, 4, [0.75, 0.8, 0.25, 0.9], 0.475)],
    ...{
      metaLatents: [0, 3],
      latents: [0, 3],
      contexts: new Map([[0, latent(0)], [4, latent(4)]]),
    },
  }),
};

for (
  const [name, tokens] of [["latent", undefined], ["latent of long words", [LONG, LONG]]] as const
) {
  PAGES[name] = latentPage({
    ...{ dashboard: madeDashboard(98303, tokens && [...tokens]), logits: madeLogits(98303) },
    ...{ sae: LONG, samples: 1e6, correlated: 1e5, facts: [LONG], pages: new Set([0]) },
  });
}

/** Words of figures that stick out of their figure, and how far the page is too wide. */
const LAYOUT = `({
  tooWide: Math.max(0, document.documentElement.scrollWidth - innerWidth),
  cut: [...document.querySelectorAll("svg text")].filter((text) => {
    const [own, whole] = [text, text.closest("svg")].map((node) => node.getBoundingClientRect());
    return own.left < whole.left - 1 || own.right > whole.right + 1 ||
      own.top < whole.top - 1 || own.bottom > whole.bottom + 1;
  }).map((text) => text.textContent),
})`;

if (!CHROMIUM) console.log("left out, there is no Chromium (tests/browser/install.sh): pages");
Deno.test({
  name: "pages are as wide as the screen or the sheet, and no word of a figure is cut off",
  ignore: !CHROMIUM,
  // What playwright starts it ends with the browser, though not in the same turn.
  ...{ sanitizeOps: false, sanitizeResources: false },
}, async () => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    for (const [name, html] of Object.entries(PAGES)) {
      await page.setContent(await html);
      // A sheet of A4 within its margins is 703 pixels wide.
      for (const [media, width] of [["screen", 420], ["screen", 1200], ["print", 703]] as const) {
        await page.emulateMedia({ media });
        await page.setViewportSize({ width, height: 900 });
        assertEquals(await page.evaluate(LAYOUT), { tooWide: 0, cut: [] }, `${name}, ${width}`);
      }
    }
  } finally {
    await browser.close();
  }
});
