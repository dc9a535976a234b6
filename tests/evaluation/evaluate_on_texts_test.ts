import { assert, assertEquals, assertRejects } from "@std/assert";
import { openCpu } from "../../lib/device/cpu.ts";
import { evaluateOnTexts, evaluateSaesOnTexts } from "../../lib/evaluation/evaluate_on_texts.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
import { packTokenRows } from "../../lib/language_model/token_rows.ts";
import { randomSae } from "../gpu_helper.ts";
import { tinyGpt2 } from "../language_model/fixtures.ts";

const TEXT = "The small dog ran over the hill, and nobody in the village saw it again. ";

Deno.test("several SAEs on texts: each has the measures that it has alone, ablated losses run once", async () => {
  using device = await openCpu({ workers: 0 });
  await using model = await openLanguageModel(tinyGpt2, {
    hook: "blocks.2.hook_resid_pre",
    threads: 1,
  });
  const saes = [2, 5, 9].map((k) => randomSae(k, 128, 40, { architecture: "topk", k }));
  const texts = [TEXT.repeat(12)];
  const options = { contextLength: 16, maxRows: 5 };
  let [ablated, read] = [0, 0];
  const counting = {
    ...model,
    activations(...given: Parameters<typeof model.activations>) {
      read++;
      return model.activations(...given);
    },
    crossEntropy(...given: Parameters<typeof model.crossEntropy>) {
      ablated++;
      return model.crossEntropy(...given);
    },
  };
  const together = await evaluateSaesOnTexts(device, counting, saes, texts, options);
  assertEquals([ablated, read], [1, 1]);
  assertEquals(new Set(together.map(({ crossEntropy }) => crossEntropy.spliced)).size, 3);
  for (const [i, sae] of saes.entries()) {
    const alone = await evaluateOnTexts(device, model, sae, texts, options);
    assertEquals(together[i].evaluation, alone.evaluation);
    assertEquals(together[i].tokenRows, alone.tokenRows);
    const found = together[i].crossEntropy as unknown as Record<string, number>;
    for (const [name, wanted] of Object.entries(alone.crossEntropy)) {
      // Other rows beside a position may round its sums differently.
      assert(Math.abs(found[name] - wanted) <= 1e-5 * Math.max(1, Math.abs(wanted)), name);
    }
  }
  await assertRejects(
    () => evaluateSaesOnTexts(device, model, [], texts),
    RangeError,
    "there are no SAEs to evaluate",
  );
});

Deno.test("rows begin with BOS or not as the SAE was trained, unless an option says", async () => {
  using device = await openCpu({ workers: 0 });
  await using model = await openLanguageModel(tinyGpt2, {
    hook: "blocks.2.hook_resid_pre",
    threads: 1,
  });
  const made = randomSae(3, 128, 40, { architecture: "topk", k: 3 });
  const sae = { ...made, metadata: { ...made.metadata, prependBos: false } };
  const texts = [TEXT.repeat(5)];
  const options = { contextLength: 16, maxRows: 2 };
  const rows = (prependBos: boolean) =>
    Array.fromAsync(packTokenRows(model, texts, { ...options, prependBos }));
  const without = await evaluateOnTexts(device, model, sae, texts, options);
  assertEquals(without.tokenRows, await rows(false));
  // No position is left out: 2 rows of 16, of which the last token predicts nothing.
  assertEquals(without.evaluation.samples + (without.evaluation.leftOut ?? 0), 32);
  assertEquals(without.crossEntropy.tokens + (without.crossEntropy.leftOut ?? 0), 30);
  const given = { ...options, prependBos: true };
  const asked = await evaluateOnTexts(device, model, sae, texts, given);
  assertEquals(asked, await evaluateOnTexts(device, model, made, texts, options));
  assertEquals(asked.tokenRows, await rows(true));
  await assertRejects(
    () => evaluateSaesOnTexts(device, model, [made, sae], texts, options),
    RangeError,
    "SAE 1 was trained on rows without BOS, the first on rows with it",
  );
  assertEquals((await evaluateSaesOnTexts(device, model, [made, sae], texts, given)).length, 2);
});
