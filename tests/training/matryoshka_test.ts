import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { encode } from "../../lib/sae/encode.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import type { AnyTrainOptions, TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import {
  GPU_STEPS,
  type Open,
  openGpu,
  presentAs,
  randomMatrix,
  randomSae,
  relativeDistance,
  SMALL,
  testOnCpu,
  testOnDevices,
} from "../gpu_helper.ts";
import { someOf } from "../depth.ts";
import { openTestCpu } from "../test_cpu.ts";
import { createOracle, ORACLE_DEFAULTS } from "../oracles/batchtopk.ts";
import { keepLargest, keepLargestOfRows } from "../oracles/dense.ts";
import {
  forwardPrefixes,
  matryoshkaGradients,
  matryoshkaLosses,
  matryoshkaStep,
} from "../oracles/matryoshka.ts";
import { normalizationOf, normalizeRows } from "../oracles/normalize_input.ts";
import { makeBatches } from "./made_batches.ts";
import { plantedRows } from "./planted_rows.ts";

const WEIGHTS = ["wEnc", "bEnc", "wDec", "bDec"] as const;

Deno.test("the oracle's gradients are finite differences of its loss, the selection being fixed", () => {
  const [n, d, m] = [7, 5, 12];
  for (const subtractDecoderBias of [true, false]) {
    const options = { prefixes: [2, 5, 6, 12], auxCoefficient: 0.7, subtractDecoderBias };
    const weights = createOracle(randomSae(1, d, m));
    const x = randomMatrix(2, n, d).data;
    const { z } = forwardPrefixes(weights, x, new Uint8Array(n * m), options);
    const dead = [1, 4, 10];
    const alive = z.map((value, at) => dead.includes(at % m) ? 0 : value);
    const kept = keepLargest(alive, 3 * n);
    const selection = { kept, auxiliary: keepLargestOfRows(z, m, dead, 2) };
    const gradients = matryoshkaGradients(weights, x, selection, options);
    const whole = forwardPrefixes(weights, x, kept, options).errors[3];
    const loss = () => {
      const { reconstruction, auxiliary } = matryoshkaLosses(weights, x, selection, options, whole);
      return reconstruction + auxiliary;
    };
    for (const name of WEIGHTS) {
      let moved = 0;
      for (let at = 0; at < weights[name].length; at++) {
        const value = weights[name][at];
        weights[name][at] = value + 1e-5;
        const above = loss();
        weights[name][at] = value - 1e-5;
        const slope = (above - loss()) / 2e-5;
        weights[name][at] = value;
        assertAlmostEquals(gradients[name][at], slope, 1e-8, `${name}[${at}]`);
        if (Math.abs(slope) > 1e-4) moved++;
      }
      assert(moved > weights[name].length / 3, `${name}: only ${moved} slopes are not zero`);
    }
  }
});

/** Trains on a device and with the oracle, compares weights and records. */
async function compareRun(
  open: Open,
  batches: Matrix[],
  options: Partial<typeof OPTIONS> & { k: number; dictSize: number; prefixes: number[] },
  gpuOptions: DeviceOptions = {},
  kind?: "hardware" | "software",
): Promise<{ sae: Sae; dead: number }> {
  const plain = { inputNormalization: "none", bDec: "zero" } as const;
  const all = {
    ...{ ...ORACLE_DEFAULTS, ...plain, learningRate: 3e-3, deadAfter: 2, seed: 5, recordEvery: 7 },
    ...options,
  };
  const initial = initializeSae({
    ...{ architecture: "matryoshka_batchtopk", dModel: batches[0].cols },
    ...{ dictSize: options.dictSize, random: createRandom(5) },
  });
  const oracle = createOracle(initial);
  const normalization = normalizationOf(options, batches[0]);
  const expected = batches.map((batch) =>
    matryoshkaStep(oracle, normalizeRows(normalization, batch).x, {
      ...all,
      lossNormalization: "none",
    })
  );
  using device = await open(gpuOptions);
  const on = kind ? presentAs(device, kind) : device;
  const { sae, history } = await trainSae(on, batches, {
    ...all,
    architecture: "matryoshka_batchtopk",
  });
  assertEquals(device.allocated, 0);
  assertEquals(history.length, batches.length);
  for (const [at, record] of history.entries()) {
    const { loss, auxiliaryLoss, kept, dead, gradientNorm } = expected[at];
    const step = `step ${at + 1}`;
    assertEquals(record.l0, kept / batches[at].rows, step);
    assertEquals(record.deadLatents, dead, step);
    assertAlmostEquals(record.reconstructionLoss, loss, 1e-4 * loss, step);
    assertAlmostEquals(record.auxiliaryLoss, auxiliaryLoss, 1e-4 * auxiliaryLoss, step);
    if (all.gradientClip) {
      assertAlmostEquals(record.gradientNorm!, gradientNorm, 1e-4 * gradientNorm, step);
    }
  }
  for (const name of WEIGHTS) {
    const distance = relativeDistance(sae[name], oracle[name]);
    if (Deno.env.get("SAEWING_TEST_REPORT")) console.log(`${name} ${distance.toExponential(1)}`);
    assert(distance < 1e-4, `${name} is ${distance} from the oracle's`);
    assert(!(relativeDistance(initial[name], sae[name]) < 0.005), `${name} hardly moved`);
  }
  assert(sae.threshold![0] > 0 && sae.threshold!.every((value) => value === sae.threshold![0]));
  return { sae, dead: Math.max(...expected.map(({ dead }) => dead)) };
}

const AUXILIARY = { auxK: 5, auxCoefficient: 0.5 };

testOnDevices("training agrees with the oracle: prefixes and dead latents", async (open, steps) => {
  const options = { k: 3, dictSize: 130, prefixes: [3, 8, 9, 64, 130], ...AUXILIARY };
  const { dead } = await compareRun(open, makeBatches(24, 20, { steps }), options);
  assert(dead > 5);
});

testOnCpu("training agrees with the oracle: 1e-3 is far away", async (open) => {
  const batches = [...makeBatches(16, 21), ...makeBatches(18, 21)];
  await compareRun(open, batches, { k: 4, dictSize: 65, prefixes: [8, 65], auxCoefficient: 0 });
});

testOnCpu("training agrees with the oracle: other options", async (open) => {
  const options = { k: 2, dictSize: 48, prefixes: [1, 47, 48], ...AUXILIARY };
  await compareRun(open, makeBatches(9, 20, { lastRows: 5 }), { ...options, gradientClip: 0.2 });
  await compareRun(open, makeBatches(9, 20), { ...options, subtractDecoderBias: false });
  await compareRun(open, makeBatches(9, 20), { ...options, inputNormalization: "layer_norm" });
});

Deno.test("training agrees with the oracle: small limits, and the kernels of either kind of adapter", async () => {
  const options = { k: 3, dictSize: 500, prefixes: [60, 130, 500], ...AUXILIARY };
  await compareRun(openGpu, makeBatches(9, 20, { steps: GPU_STEPS }), options, SMALL);
  for (const kind of someOf(["hardware", "software"], 1)) {
    await compareRun(openGpu, makeBatches(9, 20, { steps: GPU_STEPS }), options, {}, kind);
  }
});

const OPTIONS: Extract<TrainOptions, { architecture: "matryoshka_batchtopk" }> = {
  ...{ architecture: "matryoshka_batchtopk", dictSize: 64, k: 2, seed: 5, steps: 12 },
  ...{ deadAfter: 2, learningRate: 1e-2, decaySteps: 0, thresholdBatches: 8 },
};
const BATCHES = Array.from({ length: 12 }, (_, step) => randomMatrix(step, 40, 10));

testOnCpu("one prefix is BatchTopK, bit by bit", async (open) => {
  using device = await open();
  for (const more of [{}, { gradientClip: 0.05 }, { auxCoefficient: 0 }]) {
    const options = { ...OPTIONS, ...more };
    const one = await trainSae(device, BATCHES, { ...options, prefixes: [64] });
    const other = { ...options, architecture: "batchtopk", prefixes: undefined } as const;
    const plain = await trainSae(device, BATCHES, other);
    assertEquals(one.history, plain.history);
    assert(one.history.some(({ deadLatents }) => deadLatents > 0));
    for (const name of [...WEIGHTS, "threshold"] as const) {
      assertEquals(one.sae[name], plain.sae[name], name);
    }
  }
});

testOnCpu("a run resumed from any of its checkpoints ends with the same bits", async (open) => {
  using device = await open();
  const options = { ...OPTIONS, prefixes: [5, 32, 64] };
  const whole = await trainSae(device, BATCHES, options);
  assert(whole.history.some(({ auxiliaryLoss }) => auxiliaryLoss > 0));
  const kept: Checkpoint[] = [];
  const save = (checkpoint: Checkpoint) => {
    // As a file keeps it.
    const { arrays, ...plain } = checkpoint;
    kept.push({ ...JSON.parse(JSON.stringify(plain)), arrays });
    return Promise.resolve();
  };
  assertEquals(
    await trainSae(device, BATCHES, { ...options, checkpoint: { every: 5, save } }),
    whole,
  );
  const architecture = "matryoshka_batchtopk";
  assertEquals(kept.map(({ steps }) => steps), [5, 10, 12]);
  for (const resume of kept) {
    assertEquals(await trainSae(device, BATCHES, { architecture, resume }), whole);
  }
  await assertRejects(
    () => trainSae(device, BATCHES, { architecture, resume: kept[0], prefixes: [6, 64] }),
    RangeError,
    "prefixes is 6,64, but the checkpoint's run has 5,32,64: expected the same to resume",
  );
});

Deno.test("bits do not depend on workers and SIMD", async () => {
  const runs = [];
  for (const options of [{ workers: 0, simd: false }, { workers: 1 }, { workers: 3 }]) {
    using cpu = await openTestCpu({ integerProduct: false, ...options });
    const { sae, history } = await trainSae(cpu, BATCHES, OPTIONS);
    runs.push({ sae, history });
  }
  assertEquals(runs[1], runs[0]);
  assertEquals(runs[2], runs[0]);
});

Deno.test("prefixes by default double from a sixteenth on, and are in the metadata", async () => {
  using cpu = await openTestCpu({ workers: 0 });
  for (const [m, wanted] of [[64, [4, 8, 16, 32, 64]], [9, [1, 2, 4, 9]], [1, [1]]] as const) {
    const options = { ...OPTIONS, dictSize: m, k: 1, steps: 2 };
    const { sae } = await trainSae(cpu, BATCHES, options);
    assertEquals((sae.metadata.training as TrainOptions).prefixes, [...wanted]);
  }
});

Deno.test("prefixes that do not fit are named, and belong to this architecture alone", async () => {
  using cpu = await openTestCpu({ workers: 0 });
  const cases: [Partial<AnyTrainOptions>, string][] = [
    [{ prefixes: [] }, "prefixes is , expected a list of whole numbers"],
    [{ prefixes: 8 as unknown as number[] }, "prefixes is 8, expected a list of whole numbers"],
    [{ prefixes: [0, 64] }, "prefixes[0] is 0, expected a whole number above 0"],
    [{ prefixes: [8, 8, 64] }, "prefixes[1] is 8, expected a whole number above 8"],
    [{ prefixes: [8, 16.5, 64] }, "prefixes[1] is 16.5, expected a whole number above 8"],
    [{ prefixes: [8, NaN, 64] }, "prefixes[1] is NaN, expected a whole number above 8"],
    [{ prefixes: [8, 32] }, "prefixes ends with 32, expected the dictionary size, 64"],
    [{ prefixes: [8, 65] }, "prefixes ends with 65, expected the dictionary size, 64"],
    [{ architecture: "batchtopk", prefixes: [8, 64] }, "prefixes is 8,64, batchtopk has none"],
    [{ k: 65 }, "k is 65, expected a number above 0 and at most the dictionary size, 64"],
    [{ targetL0: 4 }, "targetL0 is 4, matryoshka_batchtopk has none"],
    [
      { lossNormalization: "input_deviation" },
      `lossNormalization is input_deviation, expected "none" for matryoshka_batchtopk`,
    ],
  ];
  for (const [more, text] of cases) {
    const options = { ...OPTIONS, ...more } as AnyTrainOptions as TrainOptions;
    await assertRejects(() => trainSae(cpu, BATCHES, options), RangeError, text);
  }
});

Deno.test("the first prefix alone reconstructs better than as many of BatchTopK's latents", async () => {
  using cpu = await openTestCpu({ workers: 0 });
  const batches = Array.from({ length: 150 }, (_, step) => plantedRows(step, 128, 24));
  const heldOut = plantedRows(1000, 512, 24);
  const alone = async (architecture: "batchtopk" | "matryoshka_batchtopk") => {
    const { sae } = await trainSae(cpu, batches, {
      ...{ architecture, dictSize: 96, k: 6, inputNormalization: "none", learningRate: 5e-3 },
    });
    const codes = await encode(cpu, sae, heldOut, { selection: "batch" });
    const errors = [12, 96].map((prefix) => {
      let squares = 0;
      for (let r = 0; r < codes.rows; r++) {
        const e = Float64Array.from(
          { length: 24 },
          (_, c) => heldOut.data[r * 24 + c] - sae.bDec[c],
        );
        for (let j = codes.rowOffsets[r]; j < codes.rowOffsets[r + 1]; j++) {
          const latent = codes.latents[j];
          if (latent >= prefix) continue;
          for (let c = 0; c < 24; c++) e[c] -= codes.values[j] * sae.wDec[latent * 24 + c];
        }
        squares += e.reduce((sum, value) => sum + value ** 2, 0);
      }
      return squares / heldOut.data.length;
    });
    return { first: errors[0], whole: errors[1] };
  };
  const plain = await alone("batchtopk");
  const nested = await alone("matryoshka_batchtopk");
  if (Deno.env.get("SAEWING_TEST_REPORT")) console.log(plain, nested);
  const found = JSON.stringify({ plain, nested });
  assert(nested.first < 0.8 * plain.first, found);
  assert(nested.whole < 0.5 * nested.first, found);
});
