import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import { transformInput } from "../../lib/sae/input_transform.ts";
import { encode } from "../../lib/sae/encode.ts";
import { fitGain, randomTwin, withGain } from "../../lib/stitching/controls.ts";
import { evaluate } from "../oracles/evaluation.ts";
import { evaluateWithGain, gainOf } from "../oracles/gain.ts";
import { assertStops } from "./assert_stops.ts";
import { makeRows } from "./made_pair.ts";
import { ARCHITECTURES, makeSae, NORMALIZATIONS } from "./made_saes.ts";
import { openTestDevice } from "../gpu_helper.ts";

Deno.test("fitGain finds the least squares of float64, for every architecture and normalisation", async () => {
  using gpu = await openTestDevice();
  const batches = makeRows(3, 10, [40, 1, 23]);
  for (const architecture of ARCHITECTURES) {
    for (const normalization of NORMALIZATIONS) {
      const made = makeSae({ architecture, seed: 5, d: 10, m: 24, normalization });
      // Encoder rows along decoder rows, so that the gain is above zero.
      const sae = { ...made, wDec: made.wEnc.map((w, i) => 0.1 * w + 0.02 * made.wDec[i]) };
      const name = `${architecture}, ${normalization}`;
      const found = await fitGain(gpu, sae, batches);
      const gain = gainOf(sae, batches);
      assert(gain > 0.05 && Math.abs(gain - 1) > 0.01, `${name}: ${gain}`);
      assertAlmostEquals(found.gain, gain, 1e-4 * gain, name);
      const [plain, scaled] = [
        evaluate(sae, batches),
        evaluateWithGain(sae, batches, gain),
      ];
      assertAlmostEquals(found.mse, plain.mse, 1e-5 * plain.mse, name);
      assertAlmostEquals(found.nmse, plain.nmse, 1e-5 * plain.nmse, name);
      assertAlmostEquals(found.mseWithGain, scaled.mse, 1e-4 * scaled.mse, name);
      assertAlmostEquals(found.nmseWithGain, scaled.nmse, 1e-4 * scaled.nmse, name);
      assertEquals([found.samples, found.l0], [64, plain.l0]);
      assertEquals(found.activeLatents, 24 - plain.deadLatents);
      // Scaled weights have the MSE that was foretold, and the same active latents.
      const again = await evaluateSae(gpu, withGain(sae, found.gain), batches);
      assertAlmostEquals(again.mse, found.mseWithGain, 1e-4 * again.mse, name);
      assertEquals(again.l0, found.l0);
      assertEquals(gpu.allocated, 0);
    }
  }
});

Deno.test("fitGain: an SAE that shrinks by a fifth has the gain 1.25, and none is left with it", async () => {
  using gpu = await openTestDevice();
  const d = 8;
  const identity = Float32Array.from({ length: d * d }, (_, i) => i % (d + 1) === 0 ? 1 : 0);
  const sae = {
    ...makeSae({ architecture: "relu", seed: 1, d, m: d }),
    ...{ wEnc: identity.map((w) => 0.8 * w), wDec: identity },
    ...{ bEnc: new Float32Array(d), bDec: new Float32Array(d) },
  };
  const batches = makeRows(2, d, [50]).map((x) => ({ ...x, data: x.data.map(Math.abs) }));
  const { gain, mseWithGain, mse } = await fitGain(gpu, sae, batches);
  assertAlmostEquals(gain, 1.25, 1e-6);
  assert(mse > 0.1 && mseWithGain < 1e-9, `${mse}, ${mseWithGain}`);
  assertAlmostEquals((await fitGain(gpu, withGain(sae, gain), batches)).gain, 1, 1e-6);
});

Deno.test("fitGain: latents that point the wrong way get the gain 0, none that is active 1", async () => {
  using gpu = await openTestDevice();
  const sae = makeSae({ architecture: "relu", seed: 5, d: 10, m: 24 });
  const batches = makeRows(3, 10, [40]);
  const wrong = { ...sae, wDec: sae.wEnc.map((w) => -w) };
  const found = await fitGain(gpu, wrong, batches);
  assertEquals(found.gain, 0);
  assertAlmostEquals(found.mseWithGain, evaluateWithGain(wrong, batches, 0).mse, 1e-4);
  const asleep = await fitGain(gpu, { ...sae, bEnc: sae.bEnc.map(() => -100) }, batches);
  assertEquals([asleep.gain, asleep.l0, asleep.mse], [1, 0, asleep.mseWithGain]);
});

Deno.test("fitGain centres activations, stops, reads no more than it is told", async () => {
  using gpu = await openTestDevice();
  const sae = makeSae({ architecture: "relu", seed: 5, d: 10, m: 24 });
  const batches = makeRows(3, 10, [8, 8, 8]);
  const wanting = { ...sae, inputTransform: "center" as const };
  const centred = batches.map((x) => transformInput(wanting, x));
  const [own, plain] = [await fitGain(gpu, wanting, batches), await fitGain(gpu, sae, centred)];
  assertAlmostEquals(own.mseWithGain, plain.mseWithGain, 1e-4 * plain.mseWithGain);
  await assertStops(8, (options) => fitGain(gpu, sae, batches, options));
  const part = await fitGain(gpu, sae, batches, { samples: 9 });
  assertEquals(part, await fitGain(gpu, sae, batches.slice(0, 2)));
  assertEquals(gpu.allocated, 0);
});

Deno.test("fitGain and withGain refuse what does not fit", async () => {
  using gpu = await openTestDevice();
  const sae = makeSae({ architecture: "relu", seed: 5, d: 10, m: 24 });
  await assertRejects(() => fitGain(gpu, sae, []), RangeError, "no activations to fit a gain to");
  await assertRejects(() => fitGain(gpu, sae, makeRows(1, 9, [4])), RangeError, "10 columns");
  assertThrows(() => withGain(sae, -1), RangeError, "gain is -1, expected a number from 0");
  assertThrows(() => withGain(sae, NaN), RangeError, "gain is NaN");
  assertEquals(gpu.allocated, 0);
});

Deno.test("randomTwin: the SAE's shape, bias and L0, unit rows that are tied, new with each seed", async () => {
  using gpu = await openTestDevice();
  const made = makeSae({
    ...{ architecture: "batchtopk", seed: 5, d: 10, m: 24 },
    normalization: "expected_average_only_in",
  });
  const inputTransform = "center" as const;
  const sae = { ...made, inputTransform, metadata: { training: { seed: 3 } } };
  const twin = randomTwin(sae, 3.4);
  assertEquals([twin.dModel, twin.dictSize, twin.k, twin.bDec], [10, 24, 3, sae.bDec]);
  assertEquals(twin.wEnc, twin.wDec);
  for (let i = 0; i < 24; i++) {
    assertAlmostEquals(Math.hypot(...twin.wDec.subarray(10 * i, 10 * (i + 1))), 1, 1e-6);
  }
  assertEquals([twin.inputTransform, twin.metadata], ["center", {}]);
  assertEquals(randomTwin(sae, 3.4).wDec, twin.wDec);
  assert(randomTwin(sae, 3.4, { seed: 1 }).wDec.some((w, i) => w !== twin.wDec[i]));
  assertEquals([randomTwin(sae, 0).k, randomTwin(sae, 99).k], [1, 24]);
  const codes = await encode(gpu, twin, makeRows(2, 10, [5])[0]);
  assert(codes.latents.length > 0 && codes.latents.length <= 15);
});
