import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DeviceLostError } from "../../lib/device/errors.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import { firstBatchToResume } from "../../lib/training/resume.ts";
import { NonFiniteError } from "../../lib/training/non_finite_error.ts";
import { checkTrainOptions } from "../../lib/training/complete_options.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae, trainSaes } from "../../lib/training/train_sae.ts";
import {
  openGpu,
  openOwnGpu,
  randomMatrix,
  relativeDistance,
  SMALL,
  testOnCpu,
  testOnDevices,
} from "../gpu_helper.ts";
import { combinations, someOf } from "../depth.ts";
import { openTestCpu } from "../test_cpu.ts";

const BATCHES = Array.from({ length: 12 }, (_, step) => randomMatrix(step, 40, 10));
// Latents die after two batches, so that the auxiliary loss and lastActive take part.
const OPTIONS = {
  architecture: "batchtopk",
  dictSize: 64,
  k: 2,
  seed: 5,
  deadAfter: 2,
  learningRate: 1e-2,
  steps: 12,
  // So that there may be more.
  decaySteps: 0,
  thresholdBatches: 8,
  metadata: { hook: "here" },
} as const;

/** The options with checkpoints, which are kept in the list. */
function keeping(every: number, kept: Checkpoint[], options: TrainOptions = OPTIONS): TrainOptions {
  const save = (checkpoint: Checkpoint) => Promise.resolve(void kept.push(checkpoint));
  return { ...options, checkpoint: { every, save } };
}

testOnDevices("a run resumed from any of its checkpoints ends with the same bits", async (open) => {
  using gpu = await open();
  const few = <const T>(all: readonly T[], count: number) =>
    gpu.kind === "gpu" ? someOf(all, count) : all;
  for (const architecture of few(["batchtopk", "topk"], 1)) {
    const options = { ...OPTIONS, architecture };
    const whole = await trainSae(gpu, BATCHES, options);
    assert(whole.history.some(({ auxiliaryLoss }) => auxiliaryLoss > 0));
    const kept: Checkpoint[] = [];
    assertEquals(await trainSae(gpu, BATCHES, keeping(5, kept, options)), whole);
    assertEquals(kept.map(({ steps }) => steps), [5, 10, 12]);
    // The threshold needs the last 8 batches, those from number 4 on; the last checkpoint has it.
    const first = { batchtopk: [4, 4, 11], topk: [4, 9, 11] }[architecture];
    assertEquals(kept.map((resume) => firstBatchToResume(resume)), first);
    for (const resume of few(kept, 2)) {
      assertEquals(await trainSae(gpu, BATCHES, { ...options, resume }), whole);
      // Options that are not given are the checkpoint's; the stream may begin where it goes on.
      const startBatch = firstBatchToResume(resume);
      const short = { architecture, resume, startBatch };
      assertEquals(await trainSae(gpu, BATCHES.slice(startBatch), short), whole);
    }
    assertEquals(gpu.allocated, 0);
  }
});

testOnCpu("ReLU and JumpReLU resume with the same bits, thresholds included", async (open) => {
  using gpu = await open();
  const { k: _, thresholdBatches: __, ...options } = OPTIONS;
  for (const architecture of ["relu", "jumprelu"] as const) {
    const jump = {
      ...{ bandwidth: 0.2, initialThreshold: 0.05, gradientClip: 0.05 },
      inputNormalization: "expected_average_only_in" as const,
    };
    const own = checkTrainOptions({
      ...options,
      architecture,
      sparsityCoefficient: 0.01,
      sparsityWarmupSteps: 8,
      ...(architecture === "jumprelu" ? jump : { inputNormalization: "none" }),
    });
    const whole = await trainSae(gpu, BATCHES, own);
    const kept: Checkpoint[] = [];
    await trainSae(gpu, BATCHES, keeping(5, kept, own));
    // The scale is the first batch's, wherever the run continues.
    assertEquals(kept[1].sae.inputScale, whole.sae.inputScale);
    assertEquals(whole.sae.inputScale !== undefined, architecture === "jumprelu");
    for (const resume of kept) {
      assertEquals(await trainSae(gpu, BATCHES, { architecture, resume }), whole);
      assertEquals(await trainSae(gpu, BATCHES, { ...own, resume }), whole);
    }
  }
}, { dense: true });

Deno.test("a checkpoint moves to a device that splits the weights otherwise", async () => {
  using gpu = await openGpu();
  using small = await openGpu(SMALL);
  const options = { ...OPTIONS, dictSize: 300, auxK: 8 };
  const kept: Checkpoint[] = [];
  const whole = await trainSae(small, BATCHES, keeping(6, kept, options));
  assertEquals(await trainSae(small, BATCHES, { ...options, resume: kept[0] }), whole);
  const moved: Checkpoint[] = [];
  const one = keeping(1, moved, { ...options, resume: kept[0], startBatch: 4 });
  await trainSae(gpu, BATCHES.slice(4, 7), one);
  assertEquals(moved[0].steps, 7);
  assertEquals(moved[0].arrays.wEnc.length, 3000);
  assertEquals(moved[0].history.slice(0, 6), kept[0].history);
});

// Not with the same bits: a GPU's sums have another order.
Deno.test("a run begun on one device goes on on the other, within 1e-4", async () => {
  using gpu = await openGpu();
  using cpu = await openTestCpu({ integerProduct: false });
  const { k: _, thresholdBatches: __, ...ragged } = OPTIONS;
  const jump = { bandwidth: 0.2, initialThreshold: 0.05, sparsityCoefficient: 0.01 };
  const runs: TrainOptions[] = [
    OPTIONS,
    { ...OPTIONS, architecture: "topk" },
    { ...ragged, architecture: "jumprelu", ...jump },
  ];
  for (const { own, way } of combinations({ own: runs, way: [[gpu, cpu], [cpu, gpu]] })) {
    const [first, second] = way;
    // Steps of a size that lets single activations of one device alone show for little.
    const options = { ...own, learningRate: 1e-3 };
    const kept: Checkpoint[] = [];
    const whole = await trainSae(first, BATCHES, keeping(6, kept, options));
    const other = await trainSae(second, BATCHES, { ...options, resume: kept[0] });
    assertEquals(other.history.slice(0, 6), whole.history.slice(0, 6));
    assertEquals(other.history.length, 12);
    for (const name of ["wEnc", "bEnc", "wDec", "bDec", "threshold"] as const) {
      if (!whole.sae[name]) continue;
      const distance = relativeDistance(other.sae[name]!, whole.sae[name]);
      assert(distance < 1e-4, `${options.architecture}: ${name} differs by ${distance}`);
    }
  }
});

testOnCpu("more steps than before, and SAEs at several places of one stream", async (open) => {
  using gpu = await open();
  const kept: Checkpoint[] = [];
  await trainSae(gpu, BATCHES, keeping(100, kept, { ...OPTIONS, steps: 4 }));
  await trainSae(gpu, BATCHES, keeping(100, kept, { ...OPTIONS, steps: 9, k: 3 }));
  const [first, second] = kept;
  const together = await trainSaes(gpu, BATCHES, [
    { architecture: "batchtopk", resume: first, steps: 12 },
    { architecture: "batchtopk", resume: second, steps: 12 },
    OPTIONS,
  ]);
  assertEquals(together[0], await trainSae(gpu, BATCHES, OPTIONS));
  assertEquals(together[1], await trainSae(gpu, BATCHES, { ...OPTIONS, k: 3 }));
  assertEquals(together[2], together[0]);
});

testOnCpu("what does not fit a checkpoint is refused by name", async (open) => {
  using gpu = await open();
  const kept: Checkpoint[] = [];
  await trainSae(gpu, BATCHES, keeping(6, kept));
  const [resume] = kept;
  const { wEnc: _, ...fewer } = resume.arrays;
  const { lastActive: __, ...without } = resume.arrays;
  const cases: [RegExp, TrainOptions, typeof BATCHES?][] = [
    [/seed is 6, but the checkpoint's run has 5/, { ...OPTIONS, seed: 6 }],
    [/k is 3, but the checkpoint's run has 2/, { ...OPTIONS, k: 3 }],
    [/architecture is topk.*batchtopk/, { ...OPTIONS, architecture: "topk" }],
    [/dictSize is 65/, { ...OPTIONS, dictSize: 65 }],
    [/learningRate is 0.1/, { ...OPTIONS, learningRate: 0.1 }],
    [/steps is 5, but the checkpoint has taken 6/, { ...OPTIONS, steps: 5 }],
    [/startBatch is 7/, { ...OPTIONS, startBatch: 7 }],
    [/batch 6 is not the one/, OPTIONS, BATCHES.slice(1)],
    [/the batches end 2 before number 6/, OPTIONS, BATCHES.slice(0, 4)],
    [/expected 10 columns/, OPTIONS, [randomMatrix(1, 40, 11)]],
    [/resume.wEnc/, { ...OPTIONS, resume: { ...resume, arrays: fewer } }],
    [/no Uint32Array lastActive/, { ...OPTIONS, resume: { ...resume, arrays: without } }],
    [/bDec.first.*has 3 numbers/, {
      ...OPTIONS,
      resume: { ...resume, arrays: { ...resume.arrays, "bDec.first": new Float32Array(3) } },
    }],
    [/checkpoint.every is 0/, keeping(0, [])],
  ];
  for (const [message, options, batches = BATCHES] of cases) {
    const error = await assertRejects(
      () => trainSae(gpu, batches, { resume, ...options }),
      Error,
    );
    assert(message.test(error.message), `${error.message} is not ${message}`);
  }
  assertEquals(gpu.allocated, 0);
});

testOnCpu("a falling learning rate settles the last step once it falls", async (open) => {
  using gpu = await open();
  const falling = { ...OPTIONS, decaySteps: 4, steps: 10 };
  const kept: Checkpoint[] = [];
  await trainSae(gpu, BATCHES, keeping(3, kept, falling));
  const [third, , ninth] = kept;
  const more = { ...falling, steps: 12 };
  const resumed = await trainSae(gpu, BATCHES, { ...more, resume: third });
  assertEquals(resumed, await trainSae(gpu, BATCHES, more));
  await assertRejects(
    () => trainSae(gpu, BATCHES, { ...more, resume: ninth }),
    RangeError,
    "steps is 12, but the checkpoint's run has 10, and its learning rate falls since step 7",
  );
});

testOnCpu(
  "a save that fails ends the run; weights that are not finite are not saved",
  async (open) => {
    using gpu = await open();
    const save = () => Promise.reject(new Error("the disk is full"));
    await assertRejects(
      () => trainSae(gpu, BATCHES, { ...OPTIONS, checkpoint: { every: 4, save } }),
      Error,
      "the disk is full",
    );
    const kept: Checkpoint[] = [];
    const spoilt = BATCHES.with(7, { ...BATCHES[7], data: BATCHES[7].data.with(3, Infinity) });
    const error = await assertRejects(() => trainSae(gpu, spoilt, keeping(2, kept)));
    assertInstanceOf(error, NonFiniteError);
    assertEquals(error.step, 8);
    assertEquals(kept.map(({ steps }) => steps), [2, 4, 6]);
    const wild = keeping(1, kept, { ...OPTIONS, learningRate: 1e38 });
    await assertRejects(() => trainSae(gpu, BATCHES, wild), NonFiniteError);
    for (const { arrays } of kept) assert(arrays.wEnc.every(Number.isFinite));
    assertEquals(gpu.allocated, 0);
  },
);

testOnCpu("an interrupted run saves its last step", async (open) => {
  using gpu = await open();
  const kept: Checkpoint[] = [];
  const controller = new AbortController();
  const stopping = BATCHES.values().map((batch, at) => {
    if (at === 6) controller.abort();
    return batch;
  });
  const stopped = await trainSae(gpu, stopping, {
    ...keeping(5, kept),
    signal: controller.signal,
  });
  assertEquals(stopped.history.length, 6);
  assertEquals(kept.map(({ steps }) => steps), [5, 6]);
  const resumed = await trainSae(gpu, BATCHES, { ...OPTIONS, resume: kept[1] });
  assertEquals(resumed, await trainSae(gpu, BATCHES, OPTIONS));
});

Deno.test("a lost device is told, and another continues from the last checkpoint", async () => {
  using gpu = await openGpu();
  const kept: Checkpoint[] = [];
  {
    using doomed = await openOwnGpu();
    const breaking = BATCHES.values().map((batch, at) => {
      if (at === 7) doomed.device.destroy();
      return batch;
    });
    await assertRejects(
      () => trainSae(doomed, breaking, keeping(3, kept)),
      DeviceLostError,
      "lost",
    );
  }
  assertEquals(kept.map(({ steps }) => steps), [3, 6]);
  const resumed = await trainSae(gpu, BATCHES, { ...OPTIONS, resume: kept[1] });
  assertEquals(resumed, await trainSae(gpu, BATCHES, OPTIONS));
});

testOnCpu(
  "a fall of the learning rate that nobody asked for follows the number of steps",
  async (open) => {
    using gpu = await open();
    const { decaySteps: _, ...options } = OPTIONS;
    const kept: Checkpoint[] = [];
    await trainSae(gpu, BATCHES, keeping(4, kept, { ...options, steps: 10 }));
    // A fifth of 12 is 2, as of 10; of 6 it is 1.
    for (const steps of [12, 6]) {
      const resumed = await trainSae(gpu, BATCHES, { ...options, steps, resume: kept[0] });
      assertEquals(resumed, await trainSae(gpu, BATCHES, { ...options, steps }));
    }
    await assertRejects(
      () => trainSae(gpu, BATCHES, { ...options, steps: 12, resume: kept[2] }),
      RangeError,
      "steps is 12, but the checkpoint's run has 10, and its learning rate falls since step 9",
    );
    // One that was asked for stays.
    await assertRejects(
      () => trainSae(gpu, BATCHES, { ...options, steps: 4, decaySteps: 3, resume: kept[0] }),
      RangeError,
      "steps is 4",
    );
  },
);
