// Which steps of ReLU and JumpReLU a GPU takes by dense products; that these are right: ragged_test.ts.
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { DeviceOptions } from "../../lib/device/device.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import { trainingBytes } from "../../lib/training/check_memory.ts";
import { goesDense, tellsDensity } from "../../lib/training/choose_dense.ts";
import { completeOptions } from "../../lib/training/complete_options.ts";
import { NonFiniteError } from "../../lib/training/non_finite_error.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { openGpu, presentAs, randomMatrix, randomSae } from "../gpu_helper.ts";
import { someOf } from "../depth.ts";
import { makeBatches } from "./made_batches.ts";

const RELU = { architecture: "relu", sparsityCoefficient: 2e-3 } as const;
const JUMP = { architecture: "jumprelu", sparsityCoefficient: 1e-3 } as const;

/** An SAE of 64 latents, all of which are active, or none of which is. */
const biased = (bias: number) =>
  randomSae(3, 16, 64, { architecture: "relu", bEnc: new Float32Array(64).fill(bias) });

async function denseSteps(options: TrainOptions, device: DeviceOptions, steps = 4) {
  using gpu = await openGpu(device);
  const { history } = await trainSae(gpu, makeBatches(24, 16).slice(0, steps), options);
  return history.map(({ dense }) => dense ?? 0).join("");
}

Deno.test("a GPU goes by dense products from the second step on, where a tenth of all is active", async () => {
  for (const options of someOf([RELU, { ...JUMP, initialThreshold: 1e-3 }], 1)) {
    const many = { ...options, initial: biased(30) };
    assertEquals(await denseSteps(many, {}), "0111");
    assertEquals(await denseSteps(many, { denseStep: true }), "1111");
    assertEquals(await denseSteps(many, { denseStep: false }), "0000");
    assertEquals(await denseSteps({ ...options, initial: biased(-30) }, {}), "0000");
    // The deviation's loss has no dense way, nor have those that select.
    assertEquals(await denseSteps({ ...many, lossNormalization: "input_deviation" }, {}), "0000");
  }
  const topk: TrainOptions = { architecture: "topk", dictSize: 64, k: 32 };
  assertEquals(await denseSteps(topk, { denseStep: true }), "0000");
});

Deno.test("the record of the first step and of every 50th decides", async () => {
  using gpu = await openGpu();
  const told = Array.from({ length: 160 }, (_, at) => at + 1).filter(tellsDensity);
  assertEquals(told, [1, 50, 100, 150]);
  const history = [[1, 11], [2, 0], [49, 0], [50, 10], [51, 99], [99, 99], [100, 10.5]]
    .map(([step, l0]) => ({ step, l0 }));
  const ways = history.map((_, at) => goesDense(gpu, history.slice(0, at + 1), 100));
  // A tenth of 100 is not passed by 10.
  assertEquals(ways, [true, true, true, false, false, false, true]);
  assertEquals(goesDense(gpu, [], 100), false);
});

Deno.test("a run that leaves the dense way ends with the same bits wherever it is resumed", async () => {
  const batches = Array.from({ length: 6 }, () => makeBatches(24, 16)).flat().slice(0, 105);
  for (const options of someOf([RELU, { ...JUMP, bandwidth: 0.5, gradientClip: 1 }], 1)) {
    const run: TrainOptions = {
      ...options,
      ...{ dictSize: 64, sparsityCoefficient: 2, learningRate: 1e-2, steps: 105, recordEvery: 30 },
    };
    const kept: Checkpoint[] = [];
    const train = async (more: TrainOptions) => {
      // A device of its own: a resumed run knows nothing but the checkpoint.
      using gpu = presentAs(await openGpu(), "hardware");
      return await trainSae(gpu, batches, more);
    };
    const save = (checkpoint: Checkpoint) => Promise.resolve(void kept.push(checkpoint));
    const whole = await train({ ...run, checkpoint: { every: 25, save } });
    const ways = whole.history.map(({ dense }) => dense ?? 0).join("");
    assertEquals(ways, `0${"1".repeat(49)}${"0".repeat(55)}`, options.architecture);
    assertEquals(kept.map(({ steps }) => steps), [25, 50, 75, 100, 105]);
    for (const resume of someOf(kept.slice(0, 3), 1)) {
      assertEquals(await train({ ...run, resume }), whole);
    }
  }
});

Deno.test("memory of dense products is counted, and without it there are none", async () => {
  const [rows, d, m] = [160, 24, 500];
  const batch = randomMatrix(1, rows, d);
  const peak = async (options: TrainOptions, device: DeviceOptions) => {
    using gpu = await openGpu(device);
    let most = 0;
    const account = gpu.account.bind(gpu);
    gpu.account = (bytes, what) => {
      account(bytes, what);
      most = Math.max(most, gpu.allocated);
    };
    const counted = trainingBytes(gpu, completeOptions(options), batch);
    const { history } = await trainSae(gpu, [batch, batch], options);
    assertEquals(gpu.allocated, 0);
    return { most, counted, dense: history[1].dense };
  };
  for (const options of someOf([RELU, JUMP], 1)) {
    const own = { ...options, dictSize: m };
    const sparse = await peak(own, { denseStep: false });
    const dense = await peak(own, { denseStep: true });
    assertEquals([sparse.dense, dense.dense], [undefined, 1]);
    const more = dense.most - sparse.most;
    const counted = dense.counted - sparse.counted;
    assert(more >= 8 * (rows * m + m * d), `${more}`);
    assertEquals([counted, dense.counted], [more, dense.most]);
    // Room for the dense way, but not for another batch size beside it.
    const few = await peak(own, { denseStep: true, memoryLimit: dense.most + sparse.counted / 8 });
    assertEquals([few.dense, few.most], [undefined, sparse.most]);
    // No room for it: it is not counted, and not asked for.
    const least = await peak(own, { denseStep: true, memoryLimit: dense.most - 1 });
    assertEquals([least.dense, least.most, least.counted], [undefined, sparse.most, sparse.most]);
  }
});

Deno.test("a batch that is not finite freezes a dense step as any other", async () => {
  using gpu = await openGpu({ denseStep: true });
  const batches = makeBatches(24, 16).slice(0, 4);
  const good = await trainSae(gpu, batches.slice(0, 2), { ...RELU, dictSize: 64, steps: 4 });
  assertEquals(good.history.map(({ dense }) => dense), [1, 1]);
  batches[2].data[37] = NaN;
  const error = await assertRejects(
    () => trainSae(gpu, batches, { ...RELU, dictSize: 64, steps: 4 }),
    NonFiniteError,
    "batch 3 has a number that is not finite, in row 2, column 5",
  );
  assertEquals(error.sae!.wEnc, good.sae.wEnc);
  assertEquals(error.sae!.wDec, good.sae.wDec);
});
