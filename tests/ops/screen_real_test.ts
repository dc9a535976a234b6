import { assert } from "@std/assert";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { streamActivations } from "../../lib/activations/stream_activations.ts";
import { openCpu } from "../../lib/device/cpu.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { tinyGpt2 } from "../language_model/fixtures.ts";
import { someOf } from "../depth.ts";
import { checkSelection, type Selection } from "./screen_helper.ts";

/** Activations of a real model, in batches of 256, of texts whose words differ. */
async function realBatches(): Promise<Matrix[]> {
  const path = new URL("../fixtures/corpus.jsonl", import.meta.url);
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  const texts = lines.map((line) => JSON.parse(line).text as string);
  await using model = await openLanguageModel(tinyGpt2, { hook: "blocks.2.hook_resid_pre" });
  return await Array.fromAsync(
    streamActivations(model, texts, { batchSize: 256, maxTokens: 2048 }),
  );
}

Deno.test("screening selects what all pairs' exact dots select: real rows, from the first step on", async () => {
  const batches = (await realBatches()).filter(({ rows }) => rows === 256);
  assert(batches.length > 5);
  using plain = await openCpu({ workers: 0, simd: false, integerProduct: false });
  using fast = await openCpu({ workers: 2 });
  const k = 16;
  for (const steps of someOf([1, batches.length - 1], 1)) {
    const { sae } = await trainSae(fast, batches.slice(0, steps), {
      ...{ architecture: "batchtopk", dictSize: 1024, k, learningRate: 2e-3 },
      ...{ inputNormalization: "none" },
    });
    const { data, rows: n, cols: d } = batches.at(-1)!;
    const base = {
      name: `tiny-gpt2 after ${steps} steps`,
      x: data.map((value, at) => value - sae.bDec[at % d]),
      ...{ wEnc: sae.wEnc, bEnc: sae.bEnc, d },
    };
    const selections: Selection[] = [
      { ...base, cut: "batch", wanted: n * k },
      { ...base, cut: "row", wanted: k },
      { ...base, cut: "latent", threshold: sae.threshold! },
      { ...base, cut: "row", wanted: 64, among: [...Array(1024).keys()].filter((i) => i % 3) },
    ];
    for (const selection of someOf(selections, 2)) {
      const { candidates, kept } = await checkSelection([plain, fast], selection);
      if (Deno.env.get("SAEWING_TEST_REPORT")) {
        const each = (candidates / kept).toFixed(2);
        console.log(`${base.name}, ${selection.cut}: ${kept} kept, ${each} candidates each`);
      }
      assert(candidates < n * 1024 / 2, `${candidates} candidates`);
    }
  }
});
