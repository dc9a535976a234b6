import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { evaluateSae } from "../../lib/evaluation/evaluate_sae.ts";

import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import {
  openGpu,
  randomMatrix,
  randomSae,
  SMALL,
  testOnCpu,
  testOnDevices,
} from "../gpu_helper.ts";
import { evaluate } from "../oracles/evaluation.ts";

async function check(sae: Sae, batches: Matrix[], selection?: "threshold" | "batch") {
  for (const gpuOptions of [{}, SMALL]) {
    using gpu = await openGpu(gpuOptions);
    const actual = await evaluateSae(gpu, sae, batches, { selection });
    const expected = evaluate(sae, batches, selection);
    assertEquals(actual.samples, expected.samples);
    for (
      const name of [
        ...["mse", "nmse", "explainedVariance"] as const,
        ...["l2Ratio", "relativeReconstructionBias", "cossim"] as const,
      ]
    ) {
      assertAlmostEquals(actual[name], expected[name], 1e-4 * Math.abs(expected[name]), name);
    }
    assertEquals(actual.l0, expected.l0);
    assertEquals([...actual.l0Histogram], expected.l0Histogram);
    assertEquals([...actual.density], expected.density);
    assertEquals(actual.deadLatents, expected.deadLatents);
    assertEquals(gpu.allocated, 0);
  }
  return evaluate(sae, batches, selection);
}

Deno.test("evaluateSae agrees with its oracle", async () => {
  const threshold = new Float32Array(70).fill(1.2);
  const sae = randomSae(1, 9, 70, { k: 3, threshold });
  const batches = [20, 1, 33].map((rows, seed) => randomMatrix(seed, rows, 9));
  const { deadLatents, l0Histogram } = await check(sae, batches);
  assert(deadLatents > 0 && deadLatents < 70);
  assert(l0Histogram.filter((count) => count > 0).length > 3);
  const { l0 } = await check(sae, batches, "batch");
  assertEquals(l0, 3);
});

Deno.test("evaluateSae where nothing is active: the decoder bias reconstructs alone", async () => {
  const sae = randomSae(2, 4, 5, { threshold: new Float32Array(5).fill(100) });
  const { l0Histogram, deadLatents } = await check(sae, [randomMatrix(1, 12, 4)]);
  assertEquals([l0Histogram, deadLatents], [[12], 5]);
});

testOnDevices("evaluateSae: a perfect SAE explains everything", async (open) => {
  using gpu = await open();
  // Two latents a dimension, one for each sign.
  const w = Float32Array.of(1, 0, -1, 0, 0, 1, 0, -1);
  const zeros = { bEnc: new Float32Array(4), bDec: new Float32Array(2) };
  const sae = randomSae(1, 2, 4, { architecture: "relu", wEnc: w, wDec: w, ...zeros });
  const x = { data: Float32Array.of(1, -2, 3, 4, 0, 0), rows: 3, cols: 2 };
  const { cossim, ...found } = await evaluateSae(gpu, sae, [x]);
  // A sample of zeros has no direction.
  assertAlmostEquals(cossim, 2 / 3, 1e-12);
  assertEquals(found, {
    samples: 3,
    l2Ratio: 2 / 3,
    relativeReconstructionBias: 1,
    mse: 0,
    nmse: 0,
    explainedVariance: 1,
    l0: 4 / 3,
    l0Histogram: Uint32Array.of(1, 0, 2),
    density: Float64Array.of(2 / 3, 0, 1 / 3, 1 / 3),
    deadLatents: 1,
  });
});

Deno.test("evaluateSae: a large mean does not count as variance", async () => {
  const sae = randomSae(3, 4, 30, { threshold: new Float32Array(30).fill(0.5) });
  sae.bDec = new Float32Array(4).fill(1000);
  const batch = randomMatrix(1, 25, 4);
  batch.data.forEach((value, at) => batch.data[at] = 1000 + value);
  const { nmse } = await check(sae, [batch]);
  assert(nmse > 0.1);
});

testOnCpu("evaluateSae refuses no activations, another width and NaN", async (open) => {
  using gpu = await open();
  const sae = randomSae(1, 4, 5, { threshold: new Float32Array(5) });
  const x = randomMatrix(1, 3, 4);
  const empty = { data: new Float32Array(0), rows: 0, cols: 4 };
  const cases: [Matrix[], string][] = [
    [[], "there are no activations to evaluate on"],
    [[empty], "there are no activations to evaluate on"],
    [[x, randomMatrix(1, 3, 5)], "the activations are 3 × 5 with 15 numbers, expected 4 columns"],
    [[x, { ...x, data: x.data.with(6, NaN) }], "the activations are not finite in row 1, column 2"],
  ];
  for (const [batches, text] of cases) {
    await assertRejects(() => evaluateSae(gpu, sae, batches), RangeError, text);
    assertEquals(gpu.allocated, 0);
  }
});
