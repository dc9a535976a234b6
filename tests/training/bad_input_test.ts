import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import type { StepRecord } from "../../lib/training/step_record.ts";
import type { AnyTrainOptions, TrainOptions } from "../../lib/training/options.ts";
import { NonFiniteError } from "../../lib/training/non_finite_error.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { combinationsOn } from "../depth.ts";
import { randomMatrix, randomSae, testOnCpu, testOnDevices } from "../gpu_helper.ts";

const [N, D, M] = [6, 5, 16];
const OPTIONS: TrainOptions = { architecture: "batchtopk", dictSize: M, k: 2, deadAfter: 2 };
const RELU = { architecture: "relu", k: undefined, sparsityCoefficient: 1 } as const;
const STEERED = { architecture: "relu", k: undefined, targetL0: 4 } as const;
const JUMP = { ...RELU, architecture: "jumprelu" } as const;
const TOPK = { architecture: "topk" } as const;
const AVERAGE = { inputNormalization: "expected_average_only_in" } as const;
const NORMALIZATIONS = "none, layer_norm, expected_average_only_in, constant_norm_rescale";
const batches = (count: number): Matrix[] =>
  Array.from({ length: count }, (_, step) => randomMatrix(step, N, D));

/** Trains, expects an error whose message begins with `text`, and that nothing stays allocated. */
async function assertFails(
  gpu: Device,
  text: string,
  options: Partial<AnyTrainOptions>,
  input: Iterable<Matrix> = batches(2),
): Promise<Error> {
  // What types refuse, a script without types passes.
  const given = { ...OPTIONS, ...options } as AnyTrainOptions as TrainOptions;
  const error = await assertRejects(() => trainSae(gpu, input, given), Error);
  assertEquals(error.message.slice(0, text.length), text);
  assertEquals(gpu.allocated, 0);
  return error;
}

testOnCpu(
  "trainSae names the option that does not fit, what was found and what is wanted",
  async (open) => {
    using gpu = await open();
    const count = "expected a whole number above 0";
    const number = "expected a number of at least 0";
    const mean = `expected a number above 0 and at most the dictionary size, ${M}`;
    const initial = randomSae(1, D, M, { k: 2 });
    const broken = (more: Partial<Sae>) => ({ initial: { ...initial, ...more } });
    const cases: [Partial<AnyTrainOptions>, string][] = [
      [
        { architecture: "gated" as "relu" },
        `architecture is gated, expected "relu", "topk", "batchtopk", "jumprelu" or "matryoshka_batchtopk"`,
      ],
      [{ architecture: "relu" }, "k is 2, relu has none"],
      [{ ...RELU, auxCoefficient: 0.5 }, "auxCoefficient is 0.5, relu has none"],
      [{ ...RELU, bandwidth: 0.5 }, "bandwidth is 0.5, relu has none"],
      [{ ...RELU, initialThreshold: 0.5 }, "initialThreshold is 0.5, relu has none"],
      [
        { ...RELU, sparsityCoefficient: undefined },
        "relu needs targetL0, active latents per sample to end with, or sparsityCoefficient (λ)",
      ],
      [
        { ...STEERED, sparsityCoefficient: 1 },
        "sparsityCoefficient is 1 and targetL0 4: expected one of them, as the second steers λ",
      ],
      [
        { ...STEERED, sparsityWarmupSteps: 9 },
        "sparsityWarmupSteps is 9, but targetL0 steers λ from the first step: expected one of them",
      ],
      [
        { ...STEERED, targetL0: 0 },
        "targetL0 is 0, expected a number above 0 and below dictSize, 16",
      ],
      [
        { ...STEERED, targetL0: 1e9 },
        "targetL0 is 1000000000, expected a number above 0 and below dictSize, 16",
      ],
      [{ targetL0: 4 }, "targetL0 is 4, batchtopk has none"],
      [{ ...RELU, thresholdLearningRate: 1 }, "thresholdLearningRate is 1, relu has none"],
      [{ ...JUMP, thresholdLearningRate: -1 }, `thresholdLearningRate is -1, ${number}`],
      [{ ...RELU, sparsityCoefficient: -1 }, `sparsityCoefficient is -1, ${number}`],
      [{ sparsityCoefficient: 0.5 }, "sparsityCoefficient is 0.5, batchtopk has none"],
      [{ bandwidth: 0.5 }, "bandwidth is 0.5, batchtopk has none"],
      [{ ...JUMP, bandwidth: 0 }, "bandwidth is 0, expected a number above 0"],
      [{ ...JUMP, bandwidth: NaN }, "bandwidth is NaN, expected a number above 0"],
      [{ ...JUMP, initialThreshold: 0 }, "initialThreshold is 0, expected a number above 0"],
      [
        { ...JUMP, initial: { ...initial, threshold: new Float32Array(M).fill(1).with(3, 0) } },
        "initial.threshold[3] is 0, expected a number above 0",
      ],
      [
        { lossNormalization: "mean" as "none" },
        `lossNormalization is mean, expected "none" or "input_deviation"`,
      ],
      [{ dictSize: undefined }, `dictSize is NaN, ${count}`],
      [{ dictSize: 0 }, `dictSize is 0, ${count}`],
      [{ dictSize: 1.5 }, `dictSize is 1.5, ${count}`],
      [{ k: undefined }, `k is NaN, ${mean}`],
      [{ k: 0 }, `k is 0, ${mean}`],
      [{ k: -1 }, `k is -1, ${mean}`],
      [{ k: M + 1 }, `k is ${M + 1}, ${mean}`],
      [{ ...TOPK, k: 2.5 }, `k is 2.5, ${count}`],
      [{ ...TOPK, k: M + 1 }, `k is ${M + 1}, expected at most the dictionary size, ${M}`],
      [{ steps: 0 }, `steps is 0, ${count}`],
      [{ auxK: 0 }, `auxK is 0, ${count}`],
      [{ warmupSteps: -1 }, `warmupSteps is -1, ${count}`],
      [{ decaySteps: 0.5, steps: 2 }, `decaySteps is 0.5, ${count}`],
      [{ decaySteps: 3, steps: 2 }, "decaySteps is 3, steps 2: expected at most steps"],
      [{ decaySteps: 1 }, "decaySteps is 1, steps is not given: expected at most steps"],
      [{ deadAfter: 0 }, `deadAfter is 0, ${count}`],
      [{ thresholdBatches: 0.5 }, `thresholdBatches is 0.5, ${count}`],
      [{ recordEvery: 0 }, `recordEvery is 0, ${count}`],
      [{ learningRate: -1 }, "learningRate is -1, expected a number of at least 0"],
      [{ learningRate: NaN }, "learningRate is NaN, expected a number of at least 0"],
      [{ learningRate: Infinity }, "learningRate is Infinity, expected a number of at least 0"],
      [{ epsilon: -1e-8 }, "epsilon is -1e-8, expected a number of at least 0"],
      [{ auxCoefficient: -1 }, "auxCoefficient is -1, expected a number of at least 0"],
      [{ beta1: 1 }, "beta1 is 1, expected a number from 0 to below 1"],
      [{ beta2: -0.1 }, "beta2 is -0.1, expected a number from 0 to below 1"],
      [{ beta2: NaN }, "beta2 is NaN, expected a number from 0 to below 1"],
      [
        { freezeDecoder: "bias" as "directions" },
        `freezeDecoder is bias, expected true, false or "directions"`,
      ],
      [{ bDec: "median" as "mean" }, `bDec is median, expected "zero" or "mean"`],
      [{ seed: 0.5 }, "seed is 0.5, expected a whole number"],
      [
        { initial, dictSize: 8 },
        "dictSize is 8, but initial has 16 latents",
      ],
      [broken({ wEnc: new Float32Array(3) }), "initial.wEnc has 3 numbers, expected 80"],
      [broken({ bDec: new Float32Array(6) }), "initial.bDec has 6 numbers, expected 5"],
      [broken({ bEnc: initial.bEnc.with(2, NaN) }), "initial.bEnc[2] is NaN, expected a number"],
      [
        broken({ wDec: [...initial.wDec] as unknown as Float32Array }),
        "initial.wDec is object, expected a Float32Array",
      ],
      [broken({ threshold: new Float32Array(1) }), "initial.threshold has 1 numbers, expected 16"],
      [broken({ inputScale: 2 }), "initial.inputScale is 2, none has none"],
      [
        broken({ inputNormalization: "center" as "none" }),
        `inputNormalization is center, expected one of ${NORMALIZATIONS}`,
      ],
      [
        { inputNormalization: "layernorm" as "none" },
        `inputNormalization is layernorm, expected one of ${NORMALIZATIONS}`,
      ],
      [{ inputNormalization: "none", inputScale: 2 }, "inputScale is 2, none has none"],
      [
        { inputNormalization: "layer_norm", inputScale: 2 },
        "inputScale is 2, layer_norm has none",
      ],
      [{ ...AVERAGE, inputScale: 0 }, "inputScale is 0, expected a number above 0"],
      [{ ...AVERAGE, inputScale: NaN }, "inputScale is NaN, expected a number above 0"],
      [{ gradientClip: -1 }, "gradientClip is -1, expected a number of at least 0"],
      [{ gradientClip: NaN }, "gradientClip is NaN, expected a number of at least 0"],
      [{ sparsityWarmupSteps: 5 }, "sparsityWarmupSteps is 5, batchtopk has none"],
      [{ ...RELU, sparsityWarmupSteps: 0.5 }, `sparsityWarmupSteps is 0.5, ${count}`],
      [{ ...JUMP, sparsityWarmupSteps: -1 }, `sparsityWarmupSteps is -1, ${count}`],
    ];
    for (const [options, text] of cases) {
      const error = await assertFails(gpu, text, options);
      assertEquals(error.message, text);
      assert(error instanceof RangeError || error instanceof TypeError, error.name);
    }
  },
);

testOnCpu("trainSae names the batch that does not fit", async (open) => {
  using gpu = await open();
  const [good] = batches(1);
  const cases: [Matrix[], string][] = [
    [[], "there was no batch to train on"],
    [[good, randomMatrix(1, N, 4)], "batch 2 is 6 × 4, expected 5 columns (the SAE's dModel)"],
    [[{ ...good, rows: 7 }], "batch 1 is 7 × 5 with 30 numbers"],
    [[good, good, { data: new Float32Array(0), rows: 0, cols: 5 }], "batch 3 is 0 × 5 with 0"],
    [
      [{ ...good, data: [...good.data] as unknown as Float32Array }],
      "batch 1 is 6 × 5, its data no Float32Array",
    ],
  ];
  for (const [input, text] of cases) await assertFails(gpu, text, {}, input);
  const zeros = { ...good, data: new Float32Array(good.data.length) };
  await assertFails(gpu, "all samples of the first batch are zero: give inputScale", AVERAGE, [
    zeros,
  ]);
  await assertFails(gpu, "batch 1 is 6 × 5, expected 4 columns", { initial: randomSae(1, 4, M) });
});

testOnDevices("a number in a batch that is not finite stops the run and is named", async (open) => {
  using gpu = await open();
  const cases = combinationsOn(gpu, {
    bad: [[1, 0, 0, NaN], [3, 5, 4, Infinity], [4, 2, 3, -Infinity]],
    how: [
      [1, "none"],
      [2, "layer_norm"],
      [50, "none"],
      [50, "expected_average_only_in"],
    ],
  });
  for (const { bad: [step, row, column, value], how: [recordEvery, inputNormalization] } of cases) {
    const all = batches(7);
    all[step - 1].data[row * D + column] = value;
    // A later one, and one behind it in the same batch, are not the ones to report.
    all[6].data[0] = NaN;
    if (row * D + column + 1 < N * D) all[step - 1].data[row * D + column + 1] = NaN;
    const seen: StepRecord[] = [];
    const onProgress = ({ records }: { records: StepRecord[] }) => void seen.push(...records);
    const error = await assertFails(
      gpu,
      `batch ${step} has a number that is not finite, in row ${row}, column ${column}`,
      { recordEvery, inputNormalization, onProgress },
      all,
    );
    assertInstanceOf(error, NonFiniteError);
    assertEquals(error.step, step);
    assert(seen.every((record) => record.step < step));
  }
});

testOnCpu("a loss that explodes stops the run and says so", async (open) => {
  using gpu = await open();
  for (const learningRate of [1e20, 1e38]) {
    for (const bDec of ["zero", "mean"] as const) {
      const options = { learningRate, bDec };
      const error = await assertFails(gpu, "the loss is not finite at step ", options, batches(9));
      assertInstanceOf(error, NonFiniteError);
      assertStringIncludes(error.message, `step ${error.step}: a smaller learning rate may help`);
      assert(error.step > 1 && error.step < 4, `step ${error.step}`);
    }
  }
});

testOnDevices(
  "a sparsity loss or a threshold that is not finite stops the run at its step",
  async (open) => {
    using gpu = await open();
    const cases: [Partial<AnyTrainOptions>, number][] = [
      [{ ...RELU, sparsityCoefficient: 3e38 }, 1],
      [{ ...JUMP, sparsityCoefficient: 3e38 }, 1],
      // log θ rises by the learning rate: exp(1000) is infinite.
      [{ ...JUMP, bandwidth: 10, learningRate: 1000 }, 2],
    ];
    for (const [options, step] of cases) {
      const text = `the loss is not finite at step ${step}: `;
      assertInstanceOf(await assertFails(gpu, text, options, batches(4)), NonFiniteError);
    }
  },
);

testOnDevices(
  "gradients whose norm is not finite stop the run, and their weights are kept",
  async (open) => {
    using gpu = await open();
    // Errors of 1e18 have finite squares; decoder gradients are as long as error times activation.
    const all = batches(4);
    all[2] = randomMatrix(2, N, D, 1e18);
    const text = "the gradients' norm is not finite at step 3: a smaller learning rate may help";
    const error = await assertFails(gpu, text, { gradientClip: 1 }, all);
    assertInstanceOf(error, NonFiniteError);
    const { sae } = await trainSae(gpu, all.slice(0, 2), { ...OPTIONS, gradientClip: 1 });
    for (const name of ["wEnc", "bEnc", "wDec", "bDec"] as const) {
      assertEquals(error.sae![name], sae[name], name);
    }
  },
);

testOnDevices("weights that the last step made infinite are not returned", async (open) => {
  using gpu = await open();
  const text = "the weights are not finite after step 1: a smaller learning rate may help";
  const error = await assertFails(gpu, text, { learningRate: 1e38 }, batches(1));
  assertInstanceOf(error, NonFiniteError);
  assertEquals(error.step, 1);
});

testOnDevices("inputs whose squares overflow stop the run at their step", async (open) => {
  using gpu = await open();
  const all = batches(4);
  all[2] = randomMatrix(1, N, D, 1e30);
  const error = await assertFails(gpu, "the loss is not finite at step 3", {}, all);
  assertEquals((error as NonFiniteError).step, 3);
});

testOnCpu(
  "an abort ends the training after the current step and returns what was learned",
  async (open) => {
    using gpu = await open();
    const controller = new AbortController();
    let given = 0;
    function* endless() {
      for (;;) yield randomMatrix(given++, N, D);
    }
    const { sae, history } = await trainSae(gpu, endless(), {
      ...OPTIONS,
      recordEvery: 1,
      signal: controller.signal,
      onProgress: ({ records: [record] }) => record.step === 3 && controller.abort(),
    });
    assertEquals(history.length, 3);
    assertEquals(gpu.allocated, 0);
    const whole = await trainSae(gpu, batches(3), { ...OPTIONS, recordEvery: 1 });
    assertEquals(sae, whole.sae);
  },
);

testOnCpu(
  "a signal that was aborted before the first batch rejects with its reason",
  async (open) => {
    using gpu = await open();
    const reason = new Error("not today");
    const signal = AbortSignal.abort(reason);
    const error = await assertRejects(() => trainSae(gpu, batches(2), { ...OPTIONS, signal }));
    assertEquals(error, reason);
  },
);

testOnCpu("an error of the stream passes through, and memory is free again", async (open) => {
  using gpu = await open();
  function* failing() {
    yield* batches(2);
    throw new Error("the stream broke");
  }
  await assertFails(gpu, "the stream broke", {}, failing());
});

testOnCpu(
  "steps: no more are taken than asked for, nor more batches than the threshold needs",
  async (open) => {
    using gpu = await open();
    let taken = 0;
    function* counting() {
      for (;;) yield randomMatrix(taken++, N, D);
    }
    await trainSae(gpu, counting(), { ...OPTIONS, architecture: "topk", steps: 4 });
    assertEquals(taken, 4);
    taken = 0;
    const { sae, history } = await trainSae(gpu, counting(), { ...OPTIONS, steps: 4 });
    assertEquals([history.length, taken], [4, 8]);
    assertEquals(sae.metadata.steps, 4);
    assertEquals(sae.metadata.samples, 4 * N);
  },
);
