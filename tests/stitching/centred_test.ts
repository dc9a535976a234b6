import { assertAlmostEquals } from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import { transformInput } from "../../lib/sae/input_transform.ts";
import { activationSimilarity } from "../../lib/stitching/activation_similarity.ts";
import { latentEffects } from "../../lib/stitching/effects.ts";
import { missingInformation } from "../../lib/stitching/missing_information.ts";
import { assertClose, openGpu } from "../gpu_helper.ts";
import { makePair, makeRows } from "./made_pair.ts";

Deno.test("stitching centres activations where the SAEs want them centred", async () => {
  using gpu = await openGpu();
  const { small, large } = makePair({
    ...{ seed: 4, d: 6, sizes: [9, 14], architectures: ["relu", "batchtopk"] },
  });
  for (const sae of [small, large]) sae.inputTransform = "center";
  const raw = makeRows(5, 6, [20, 7]);
  const centred = raw.map((x) => transformInput(small, x));
  const all = [...large.bEnc.keys()];
  const results = [];
  for (const batches of [raw, centred]) {
    const { mse, deltaMse } = await latentEffects(gpu, small, large, batches);
    const { mean } = await missingInformation(gpu, small, large, all, batches);
    const { pairs } = await activationSimilarity(gpu, small, large, allPairs(9, 14), batches);
    results.push([
      ...[mse, ...deltaMse, mean!.small.active, mean!.large.inactive],
      ...pairs.map(({ correlation }) => correlation),
    ]);
  }
  assertClose(results[0], results[1], "raw and centred", 1e-5);
  const { mse } = await evaluateSae(gpu, small, raw);
  assertAlmostEquals(results[0][0], mse, 1e-4 * mse);
});

function allPairs(small: number, large: number): { small: number; large: number }[] {
  return Array.from({ length: small * large }, (_, i) => ({
    small: i % small,
    large: Math.floor(i / small),
  }));
}
