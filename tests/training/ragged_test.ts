import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Gpu } from "../../lib/device/gpu.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { createRandom } from "../../lib/random.ts";
import { initializeSae } from "../../lib/sae/initialize.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import { encode } from "../../lib/sae/encode.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import {
  type DeviceBody,
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
import { combinations, someOf } from "../depth.ts";
import { openTestCpu } from "../test_cpu.ts";
import { createOracle } from "../oracles/batchtopk.ts";
import { infer } from "../oracles/inference.ts";
import { normalizationOf, normalizeRows } from "../oracles/normalize_input.ts";
import { raggedStep } from "../oracles/ragged.ts";
import { makeBatches } from "./made_batches.ts";

const testRagged = (name: string, body: DeviceBody) => testOnDevices(name, body, { dense: true });
const testRaggedOnCpu = (name: string, body: DeviceBody) => testOnCpu(name, body, { dense: true });

const WEIGHTS = ["wEnc", "bEnc", "wDec", "bDec"] as const;
const JUMP = {
  architecture: "jumprelu",
  sparsityCoefficient: 1e-3,
  bandwidth: 0.05,
  initialThreshold: 0.05,
  subtractDecoderBias: true,
} as const;
const RELU = { architecture: "relu", sparsityCoefficient: 2e-3 } as const;

/** Trains on a device and with the oracle, compares weights, thresholds and records. */
async function compareRun(
  open: Open,
  name: string,
  batches: Matrix[],
  options: TrainOptions & { dictSize: number; sparsityCoefficient: number },
  { gpuOptions = {}, kind }: { gpuOptions?: DeviceOptions; kind?: "hardware" | "software" } = {},
) {
  const { architecture, dictSize } = options;
  const jump = architecture === "jumprelu";
  // The oracle starts from the same weights, with a bias of zero.
  const plain = { inputNormalization: "none", bDec: "zero" } as const;
  const all = { ...plain, learningRate: 3e-3, deadAfter: 2, seed: 5, recordEvery: 7, ...options };
  const initial = options.initial ??
    initializeSae({ architecture, dModel: batches[0].cols, dictSize, random: createRandom(5) });
  const theta = initial.threshold ??
    new Float32Array(dictSize).fill(options.initialThreshold ?? 0.01);
  const oracle = {
    ...createOracle(initial),
    ...(jump ? { logTheta: Float64Array.from(theta, Math.log) } : {}),
  };
  const normalization = normalizationOf(options, batches[0]);
  const warmup = options.sparsityWarmupSteps ?? 0;
  const expected = batches.map((batch, at) =>
    raggedStep(oracle, normalizeRows(normalization, batch).x, {
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      lossNormalization: "none",
      subtractDecoderBias: true,
      bandwidth: 0.001,
      ...all,
      sparsityCoefficient: options.sparsityCoefficient *
        Math.min(1, warmup && (at + 1) / warmup || 1),
    })
  );
  using gpu = await open(gpuOptions);
  const { sae, history } = await trainSae(kind ? presentAs(gpu, kind) : gpu, batches, all);
  assertEquals(gpu.allocated, 0);
  assertEquals(history.length, batches.length);
  for (const [at, record] of history.entries()) {
    const { active, dead, gradientNorm, ...wanted } = expected[at];
    const where = `${name}, step ${at + 1}`;
    assertEquals(record.l0, active / batches[at].rows, where);
    assertEquals(record.deadLatents, dead, where);
    assertEquals(record.auxiliaryLoss, 0);
    if (gpu.kind === "gpu") {
      const { denseStep } = gpu as Gpu;
      const dense = denseStep === "always" && options.lossNormalization !== "input_deviation";
      if (denseStep !== "measured") assertEquals(record.dense, dense ? 1 : undefined, where);
    }
    assertEquals("meanThreshold" in record, jump);
    for (const key of ["reconstructionLoss", "sparsityLoss", "meanThreshold"] as const) {
      if (wanted[key] === undefined) continue;
      assertAlmostEquals(record[key]!, wanted[key], 1e-4 * wanted[key], `${where}: ${key}`);
    }
    assertEquals("gradientNorm" in record, !!options.gradientClip);
    if (options.gradientClip) {
      assertAlmostEquals(record.gradientNorm!, gradientNorm, 1e-4 * gradientNorm, where);
    }
    const total = wanted.reconstructionLoss + wanted.sparsityLoss;
    assertAlmostEquals(record.loss, total, 1e-4 * total, where);
    const least = active > 0 ? wanted.smallestKept : 0;
    assertAlmostEquals(record.smallestKept, least, 1e-5 * Math.max(1, least), where);
  }
  const trained: [string, Float32Array, Float64Array, Float32Array][] = WEIGHTS.map((
    key,
  ) => [key, sae[key], oracle[key], initial[key]]);
  if (jump) trained.push(["threshold", sae.threshold!, oracle.logTheta!.map(Math.exp), theta]);
  else assertEquals(sae.threshold, undefined);
  assertEquals(sae.k, undefined);
  const distances = trained.map(([key, actual, wanted, before]) => {
    const distance = relativeDistance(actual, wanted);
    assert(distance < 1e-4, `${name}: ${key} is ${distance} from the oracle's`);
    assert(!(relativeDistance(before, actual) < 0.002), `${name}: ${key} hardly moved`);
    return `${key} ${distance.toExponential(1)}`;
  });
  if (Deno.env.get("SAEWING_TEST_REPORT")) console.log(`${name}: ${distances.join(", ")}`);
  return { sae, history, expected };
}

/** Weights with which every latent is active in every sample. */
const allActive = (d: number, m: number): Sae =>
  randomSae(3, d, m, {
    bEnc: new Float32Array(m).fill(30),
    wDec: initializeSae({
      architecture: "relu",
      dModel: d,
      dictSize: m,
      random: createRandom(1),
    }).wDec.map((value) => value / 30),
  });

testRagged("training agrees with the oracle: relu", async (open, steps) => {
  await compareRun(open, "relu", makeBatches(24, 20, { steps }), { ...RELU, dictSize: 65 });
  const odd = { ...RELU, dictSize: 130, subtractDecoderBias: false, sparsityCoefficient: 0.05 };
  await compareRun(open, "relu, strong", makeBatches(9, 21, { steps, lastRows: 4 }), odd);
  const deviation = { ...RELU, dictSize: 65, lossNormalization: "input_deviation" } as const;
  await compareRun(open, "relu, input deviation", makeBatches(70, 20, { steps }), deviation);
});

testRagged("training agrees with the oracle: jumprelu", async (open, steps) => {
  const { history } = await compareRun(open, "jumprelu", makeBatches(24, 20, { steps }), {
    ...JUMP,
    dictSize: 65,
  });
  assert(history.at(-1)!.loss < history[0].loss);
  const { bandwidth: _, initialThreshold: __, subtractDecoderBias: ___, ...plain } = JUMP;
  // Defaults: a narrow window that hardly a number falls into, so the thresholds are started elsewhere.
  await compareRun(open, "jumprelu, wide", makeBatches(24, 21, { steps, lastRows: 7 }), {
    ...plain,
    dictSize: 65,
    bandwidth: 1,
    initialThreshold: 0.9,
  });
  const deviation = { ...JUMP, dictSize: 65, lossNormalization: "input_deviation" } as const;
  await compareRun(open, "jumprelu, input deviation", makeBatches(70, 20, { steps }), deviation);
});

testRaggedOnCpu(
  "training agrees with the oracle: thresholds below half the bandwidth",
  async (open) => {
    // Samples with z = 0 lie in the window of every latent at first; later of some.
    const options = { ...JUMP, dictSize: 65, bandwidth: 0.5, sparsityCoefficient: 0.02 };
    const { sae } = await compareRun(open, "zeros in the window", makeBatches(24, 20), {
      ...options,
      initialThreshold: 0.24,
    });
    const above = sae.threshold!.filter((value) => value > 0.25).length;
    assert(above > 5 && above < 60, `${above} of 65 thresholds left the zeros behind`);
    await compareRun(open, "θ small", makeBatches(24, 21), { ...options, initialThreshold: 0.01 });
    await compareRun(open, "θ small, input deviation", makeBatches(24, 3), {
      ...options,
      lossNormalization: "input_deviation",
    });
  },
);

testRaggedOnCpu(
  "training agrees with the oracle: every latent is active in every sample",
  async (open) => {
    for (const options of [RELU, { ...JUMP, bandwidth: 30, initialThreshold: 6 }]) {
      const { history } = await compareRun(
        open,
        `dense ${options.architecture}`,
        makeBatches(24, 20),
        {
          ...options,
          dictSize: 65,
          initial: allActive(20, 65),
          learningRate: 0.01,
          sparsityCoefficient: 0.05,
        },
      );
      assertEquals([history[0].l0, history[19].l0], [65, 65]);
    }
  },
);

Deno.test("training agrees with the oracle: small limits, the kernels of either kind of adapter", async () => {
  const ways = combinations({
    options: [RELU, { ...JUMP, initialThreshold: 0.02 }],
    denseStep: [false, true],
    on: ["small", "hardware", "software"],
  });
  for (const { options, denseStep, on } of ways) {
    const name = `${on} ${denseStep ? "dense " : ""}${options.architecture}`;
    const run = { ...options, dictSize: 128 };
    // Two shards, and more rows than workgroups in one dimension; or the kernels of a kind of adapter.
    const batches = makeBatches(on === "small" ? 8 : 24, 20, { steps: GPU_STEPS });
    await compareRun(openGpu, name, batches, run, {
      gpuOptions: { ...on === "small" ? SMALL : {}, denseStep },
      kind: on === "small" ? undefined : on,
    });
  }
  for (const options of someOf([RELU, { ...JUMP, initialThreshold: 0.02 }], 1)) {
    // Shards of 152 and 108 latents, whole vectors, more samples than a tile has, a last batch of 4.
    const limits = { maxStorageBufferBindingSize: 152 * 512 * 4 };
    const sharded = { ...options, dictSize: 260, gradientClip: 0.05 };
    const batches = makeBatches(132, 512, { lastRows: 4 }).slice(-3);
    await compareRun(openGpu, `shards ${options.architecture}`, batches, sharded, {
      gpuOptions: { limits, denseStep: true },
    });
  }
});

testRaggedOnCpu(
  "where nothing is active thresholds learn from the zeros in their window alone",
  async (open) => {
    const bEnc = new Float32Array(65).fill(-1000);
    const initial = randomSae(3, 20, 65, { bEnc });
    using gpu = await open();
    const run = { ...JUMP, initial, deadAfter: 2, learningRate: 0.01 };
    const batches = makeBatches(24, 20);
    const near = await trainSae(gpu, batches, { ...run, bandwidth: 0.2 });
    assert(near.sae.threshold!.every((value) => Math.abs(value - 0.05) > 1e-5));
    const far = await trainSae(gpu, batches, run);
    assert(far.sae.threshold!.every((value) => Math.abs(value - 0.05) < 1e-8));
    for (const { sae, history } of [near, far]) {
      assertEquals(sae.wEnc, initial.wEnc);
      assertEquals(sae.bEnc, initial.bEnc);
      assertEquals(history.map(({ l0 }) => l0), Array(20).fill(0));
      assertEquals(history.at(-1)!.deadLatents, 65);
      assert(history[19].reconstructionLoss < history[0].reconstructionLoss);
    }
  },
);

testRaggedOnCpu("one latent, one sample, one dimension", async (open) => {
  using gpu = await open();
  const batches = Array.from({ length: 3 }, () => randomMatrix(1, 1, 1));
  for (const lossNormalization of ["none", "input_deviation"] as const) {
    for (const options of [RELU, JUMP]) {
      const { sae, history } = await trainSae(gpu, batches, {
        ...options,
        dictSize: 1,
        bDec: "zero",
        lossNormalization,
      });
      assertEquals([history.length, Math.abs(sae.wDec[0])], [3, 1]);
      // A batch of one is its own mean.
      assertEquals(history[0].reconstructionLoss > 0, lossNormalization === "none");
    }
  }
});

testRagged(
  "the same seed gives the same bits, one after the other and beside others",
  async (open, steps) => {
    const batches = makeBatches(70, 20, { steps });
    for (const options of someOf([RELU, { ...JUMP, bandwidth: 0.5 }], 1)) {
      const train = async () => {
        using gpu = await open();
        return await trainSae(gpu, batches, { ...options, dictSize: 130 });
      };
      assertEquals(await train(), await train());
    }
  },
);

testRaggedOnCpu(
  "a trained SAE continues from its own thresholds, and is run as it was trained",
  async (open) => {
    using gpu = await open();
    const batches = makeBatches(24, 20);
    const first = await trainSae(gpu, batches, { ...JUMP, dictSize: 65, learningRate: 0.01 });
    const { initialThreshold: _, ...rest } = JUMP;
    const second = await trainSae(gpu, batches, { ...rest, initial: first.sae, learningRate: 0 });
    assert(relativeDistance(second.sae.threshold!, first.sae.threshold!) < 1e-6);
    const codes = await encode(gpu, second.sae, batches[0]);
    assertEquals([...codes.latents], infer(second.sae, batches[0]).codes.latents);
    assertEquals(codes.latents.length / 24, second.history[0].l0);
    const again = await trainSae(gpu, batches, { ...JUMP, initial: first.sae, learningRate: 0 });
    assert(again.sae.threshold!.every((value) => Math.abs(value - 0.05) < 1e-8));
  },
);

testRaggedOnCpu(
  "training agrees with the oracle: λ that rises, input normalised, gradients clipped",
  async (open) => {
    const batches = makeBatches(24, 20, { lastRows: 7 });
    const warmup = { dictSize: 65, sparsityWarmupSteps: 12 };
    const strong = { ...warmup, sparsityCoefficient: 0.05 };
    await compareRun(open, "relu, λ rises", batches, { ...RELU, ...strong });
    const jump = { ...JUMP, ...strong, bandwidth: 0.5, initialThreshold: 0.24 };
    await compareRun(open, "jumprelu, λ rises", batches, jump);
    for (const inputNormalization of ["layer_norm", "expected_average_only_in"] as const) {
      for (const options of [RELU, JUMP]) {
        const { architecture } = options;
        const all = { ...options, ...warmup, inputNormalization, gradientClip: 0.1 };
        const { history } = await compareRun(
          open,
          `${architecture}, ${inputNormalization}`,
          batches,
          all,
        );
        assert(history.some((record) => record.gradientNorm! > 0.1));
      }
    }
  },
);

Deno.test("a step goes by dense products while many latents are active, and says so", async () => {
  using cpu = await openTestCpu({ integerProduct: false });
  const few = randomSae(3, 16, 64, { architecture: "relu", bEnc: new Float32Array(64).fill(-30) });
  for (const [initial, dense] of [[allActive(16, 64), 1], [few, undefined]] as const) {
    const { history } = await trainSae(cpu, makeBatches(24, 16).slice(0, 3), {
      ...RELU,
      initial: { ...initial, architecture: "relu" },
      recordEvery: 1,
    });
    assertEquals(history.map((record) => record.dense), [dense, dense, dense]);
  }
  // An auxiliary loss, or the deviation's, has no dense way.
  const { history } = await trainSae(cpu, makeBatches(24, 16).slice(0, 1), {
    ...RELU,
    initial: { ...allActive(16, 64), architecture: "relu" },
    lossNormalization: "input_deviation",
  });
  assertEquals(history[0].dense, undefined);
});
