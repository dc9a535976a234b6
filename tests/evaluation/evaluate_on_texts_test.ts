import { assert, assertEquals, assertRejects } from "@std/assert";
import { openCpu } from "../../lib/device/cpu.ts";
import { evaluateOnTexts, evaluateSaesOnTexts } from "../../lib/evaluation/evaluate_on_texts.ts";
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";
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
  let ablated = 0;
  const counting = {
    ...model,
    crossEntropy(...given: Parameters<typeof model.crossEntropy>) {
      ablated++;
      return model.crossEntropy(...given);
    },
  };
  const together = await evaluateSaesOnTexts(device, counting, saes, texts, options);
  assertEquals(ablated, 1);
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
