import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";

import { NonFiniteError } from "../../lib/training/non_finite_error.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae, trainSaes } from "../../lib/training/train_sae.ts";
import { assertClose, randomMatrix, testOnCpu, testOnDevices } from "../gpu_helper.ts";
import { normalizeRows } from "../oracles/normalize_input.ts";

const BATCHES = Array.from({ length: 9 }, (_, step) => randomMatrix(step, 40, 10));

testOnDevices("SAEs trained on one stream have the bits of SAEs trained alone", async (open) => {
  using gpu = await open();
  const options: TrainOptions[] = [
    { architecture: "batchtopk", dictSize: 32, k: 3, seed: 1 },
    { architecture: "batchtopk", dictSize: 70, k: 2, seed: 2, deadAfter: 2, recordEvery: 4 },
    { architecture: "topk", dictSize: 32, k: 3, seed: 1, steps: 5 },
    {
      ...{ architecture: "jumprelu", dictSize: 40, sparsityCoefficient: 1e-3, bandwidth: 0.5 },
      ...{ sparsityWarmupSteps: 6, inputNormalization: "layer_norm", gradientClip: 0.1 },
    },
    {
      ...{ architecture: "relu", dictSize: 40, sparsityCoefficient: 1e-3 },
      inputNormalization: "expected_average_only_in",
    },
  ];
  const together = await trainSaes(gpu, BATCHES, options);
  assertEquals(together.map(({ history }) => history.length), [9, 9, 5, 9, 9]);
  for (const [at, each] of options.entries()) {
    assertEquals(together[at], await trainSae(gpu, BATCHES, each));
  }
  assert(together[0].sae.wDec.some((value, i) => value !== together[2].sae.wDec[i]));
  assertEquals(gpu.allocated, 0);
});

testOnCpu("an abort between two SAEs lets both end after the same step", async (open) => {
  using gpu = await open();
  const controller = new AbortController();
  const shared = { architecture: "batchtopk", k: 3, recordEvery: 1 } as const;
  const trained = await trainSaes(gpu, BATCHES, [
    {
      ...{ ...shared, dictSize: 32, signal: controller.signal },
      onProgress: ({ records: [record] }) => record.step === 4 && controller.abort(),
    },
    { ...shared, dictSize: 48, signal: controller.signal },
  ]);
  assertEquals(trained.map(({ history }) => history.length), [4, 4]);
});

testOnCpu("one SAE that fails ends all, and memory is free again", async (open) => {
  using gpu = await open();
  const good: TrainOptions = { architecture: "batchtopk", dictSize: 32, k: 3 };
  const error = await assertRejects(
    () => trainSaes(gpu, BATCHES, [good, { ...good, learningRate: 1e38 }]),
  );
  assertInstanceOf(error, NonFiniteError);
  assertEquals(gpu.allocated, 0);
});

testOnCpu(
  "what was learned before a batch that is not finite comes with the error",
  async (open) => {
    using gpu = await open();
    const options: TrainOptions = { architecture: "batchtopk", dictSize: 32, k: 3 };
    const spoilt = BATCHES.map((batch, at) =>
      at === 6 ? { ...batch, data: batch.data.with(17, NaN) } : batch
    );
    const error = await assertRejects(() => trainSae(gpu, spoilt, options));
    assertInstanceOf(error, NonFiniteError);
    assertEquals(error.step, 7);
    const { sae } = await trainSae(gpu, BATCHES.slice(0, 6), options);
    for (const name of ["wEnc", "bEnc", "wDec", "bDec", "threshold"] as const) {
      assertEquals(error.sae![name], sae[name], name);
    }
  },
);

testOnCpu("an SAE continues its own normalisation, unless told another", async (open) => {
  using gpu = await open();
  const average = { inputNormalization: "expected_average_only_in" } as const;
  const options: TrainOptions = { architecture: "topk", dictSize: 32, k: 3, learningRate: 0 };
  const { sae: initial } = await trainSae(gpu, BATCHES, { ...options, ...average });
  // Other samples have another mean norm.
  const others = BATCHES.map((batch) => ({ ...batch, data: batch.data.map((x) => 5 * x) }));
  const on = { ...options, initial };
  const { inputNormalization, inputScale } = (await trainSae(gpu, others, on)).sae;
  assertEquals([inputNormalization, inputScale], [
    initial.inputNormalization,
    initial.inputScale,
  ]);
  const given = await trainSae(gpu, others, { ...on, inputScale: 0.5 });
  assertEquals(given.sae.inputScale, 0.5);
  const other = await trainSae(gpu, others, { ...on, inputNormalization: "layer_norm" });
  assertEquals([other.sae.inputNormalization, "inputScale" in other.sae], ["layer_norm", false]);
  const layered = { ...on, initial: other.sae, ...average };
  const again = await trainSae(gpu, others, layered);
  assert(Math.abs(again.sae.inputScale! * 5 / initial.inputScale! - 1) < 1e-6);
});

testOnCpu(
  "a decoder bias that starts at the mean is that of the normalised samples",
  async (open) => {
    using gpu = await open();
    const options: TrainOptions = { architecture: "topk", dictSize: 32, k: 3, learningRate: 0 };
    const run = { ...options, bDec: "mean", inputNormalization: "constant_norm_rescale" } as const;
    const { sae } = await trainSae(gpu, BATCHES.slice(0, 1), run);
    const { x } = normalizeRows({ inputNormalization: "constant_norm_rescale" }, BATCHES[0]);
    const mean = sae.bDec.map((_, c) => {
      let sum = 0;
      for (let at = c; at < x.length; at += 10) sum += x[at];
      return sum / 40;
    });
    assertClose(sae.bDec, mean, "bDec", 1e-5);
  },
);
