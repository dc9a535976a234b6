import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { loadCheckpoint, saveCheckpoint } from "../../lib/formats/checkpoint_folder.ts";
import type { Device } from "../../lib/device/device.ts";
import type { Matrix } from "../../lib/matrix.ts";
import { encode } from "../../lib/sae/encode.ts";
import { createRandom } from "../../lib/random.ts";
import type { Sae } from "../../lib/sae/sae.ts";
import type { Checkpoint } from "../../lib/training/checkpoint.ts";
import type { StepRecord } from "../../lib/training/step_record.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { steeredCoefficient } from "../../lib/training/steer_sparsity.ts";
import { trainSae, trainSaes } from "../../lib/training/train_sae.ts";
import { openTestDevice, randomMatrix, testOnCpu, testOnDevices } from "../gpu_helper.ts";

const DIRECTIONS = randomMatrix(99, 60, 16).data;

/** Batches of 64 samples of 16 dimensions, each a sum of six of 60 directions and some noise. */
const STREAM = Array.from({ length: 320 }, (_, step): Matrix => {
  const random = createRandom(step);
  const data = new Float32Array(64 * 16);
  for (let from = 0; from < data.length; from += 16) {
    const sample = data.subarray(from, from + 16);
    for (let i = 0; i < 6; i++) {
      const direction = DIRECTIONS.subarray(16 * random.below(60));
      const strength = -Math.log(1 - random.uniform());
      sample.forEach((_, c) => sample[c] += strength * direction[c]);
    }
    sample.forEach((_, c) => sample[c] += 0.4 + 0.2 * random.uniform());
  }
  return { data, rows: 64, cols: 16 };
});
const TRAIN = STREAM.slice(0, 300);
const HELD_OUT = STREAM.slice(300);

const STEERED = {
  dictSize: 64,
  learningRate: 3e-3,
  bDec: "mean",
  inputNormalization: "expected_average_only_in",
} as const;

async function measuredL0(gpu: Device, sae: Sae, batches: Matrix[]): Promise<number> {
  let [active, rows] = [0, 0];
  for (const batch of batches) {
    active += (await encode(gpu, sae, batch)).latents.length;
    rows += batch.rows;
  }
  return active / rows;
}

Deno.test("λ goes up above the target, down below, and stays at it", () => {
  const history = (steps: number, l0: (step: number) => number, lambda = (_: number) => 0.5) =>
    Array.from(
      { length: steps },
      (_, at) => ({ l0: l0(at), sparsityCoefficient: lambda(at) }) as StepRecord,
    );
  const settings = { architecture: "relu", targetL0: 16 } as const;
  const next = (...given: Parameters<typeof history>) =>
    steeredCoefficient(history(...given), settings);
  assertEquals(next(10, () => 16), 0.5);
  assertEquals(next(200, () => 16), 0.5);
  assertAlmostEquals(next(20, () => 17.6), 0.5 * 1.1 ** 0.2, 1e-12);
  assertAlmostEquals(next(20, () => 16 / 1.1), 0.5 * 1.1 ** -0.2, 1e-12);
  // Only the last ten steps say where L0 is, and the ten before where it goes.
  assertAlmostEquals(next(300, (at) => at < 280 ? 99 : 17.6), 0.5 * 1.1 ** 0.2, 1e-12);
  // It falls fast enough.
  assert(next(20, (at) => at < 10 ? 24 : 20) < 0.5);
  assert(next(20, (at) => at < 10 ? 20.1 : 20) > 0.5);
  // Bounded, also where nothing is active.
  assertAlmostEquals(next(20, () => 500), 0.5 * Math.exp(0.2), 1e-12);
  assertAlmostEquals(next(20, () => 0), 0.5 * Math.exp(-0.2), 1e-12);
  // A trend of 1 % each ten steps is carried on, a start is not.
  const falling = (at: number) => 0.5 * Math.exp(-0.01 * Math.floor(at / 10));
  assertAlmostEquals(next(200, () => 16, falling) / falling(199), Math.exp(-0.7 * 0.009), 1e-3);
  const dropping = (at: number) => 0.5 * Math.exp(-0.2 * Math.floor(at / 10));
  assertAlmostEquals(next(200, () => 16, dropping) / dropping(199), Math.exp(-0.7 * 0.02), 1e-12);
});

Deno.test(
  "a run with a target L0 ends there, measured on samples it has not seen",
  async () => {
    using gpu = await openTestDevice();
    const cases: TrainOptions[] = [
      { ...STEERED, architecture: "relu", targetL0: 6, lossNormalization: "input_deviation" },
      { ...STEERED, architecture: "relu", targetL0: 10, decaySteps: 60, steps: 300 },
      { ...STEERED, architecture: "jumprelu", targetL0: 6, gradientClip: 1, seed: 3 },
      { ...STEERED, architecture: "jumprelu", targetL0: 10, decaySteps: 60, steps: 300 },
    ];
    const trained = await trainSaes(gpu, TRAIN, cases);
    for (const [at, { sae, history }] of trained.entries()) {
      const { architecture, targetL0 } = cases[at];
      const l0 = await measuredL0(gpu, sae, HELD_OUT);
      const found = `${architecture}: L0 is ${l0}, target ${targetL0}`;
      assert(Math.abs(l0 / targetL0! - 1) < 0.05, found);
      // It learned as well.
      const { reconstructionLoss } = history.at(-1)!;
      assert(
        reconstructionLoss < 0.6 * history[0].meanLoss!,
        `${found}, loss ${reconstructionLoss}`,
      );
      assertEquals((sae.metadata.training as TrainOptions).targetL0, targetL0);
      const path = history.map(({ sparsityCoefficient }) => sparsityCoefficient!);
      assert(path.every((lambda) => lambda > 0), found);
      // It changes before steps 11, 21, …
      const changes = history.filter((_, i) => i > 0 && path[i] !== path[i - 1]);
      assert(changes.length > 20 && changes.every(({ step }) => step % 10 === 1), found);
    }
  },
);

Deno.test(
  "a steered run has the same bits resumed, beside others, and whenever it is read",
  async () => {
    using gpu = await openTestDevice();
    const folder = await Deno.makeTempDir();
    try {
      for (const architecture of ["relu", "jumprelu"] as const) {
        const options = {
          ...{ ...STEERED, architecture, targetL0: 4, steps: 130 },
          // Of its own number of steps otherwise.
          decaySteps: 0,
        };
        const whole = await trainSae(gpu, TRAIN, options);
        const kept: Checkpoint[] = [];
        const save = async (checkpoint: Checkpoint) => {
          await saveCheckpoint(checkpoint, folder);
          kept.push((await loadCheckpoint(folder))!);
        };
        const checkpoint = { every: 43, save };
        const often = await trainSae(gpu, TRAIN, { ...options, recordEvery: 3, checkpoint });
        assertEquals(often, whole);
        // 43, 86 and 129: in the middle of ten steps; 100 at their end, 101 the second with meanLoss.
        for (const steps of [100, 101]) {
          await trainSae(gpu, TRAIN, {
            ...options,
            steps,
            checkpoint,
          });
        }
        assertEquals([...new Set(kept.map(({ steps }) => steps))], [43, 86, 129, 130, 100, 101]);
        for (const resume of kept) {
          const own = { architecture, resume, steps: 130 };
          assertEquals(await trainSae(gpu, TRAIN, own), whole, `from step ${resume.steps}`);
        }
        const other = { ...options, targetL0: 9, recordEvery: 7 };
        assertEquals((await trainSaes(gpu, TRAIN, [other, options]))[1], whole);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

testOnCpu(
  "a checkpoint of a version without these records resumes, and is saved whole",
  async (open) => {
    using gpu = await open();
    const folder = await Deno.makeTempDir();
    try {
      const options: TrainOptions = { ...STEERED, architecture: "relu", sparsityCoefficient: 0.05 };
      const whole = await trainSae(gpu, TRAIN.slice(0, 12), options);
      const kept: Checkpoint[] = [];
      const save = (checkpoint: Checkpoint) => Promise.resolve(void kept.push(checkpoint));
      await trainSae(gpu, TRAIN.slice(0, 12), { ...options, checkpoint: { every: 5, save } });
      const history = kept[0].history
        .map(({ meanLoss: _, sparsityCoefficient: __, ...record }) => record);
      const resumed = await trainSae(gpu, TRAIN.slice(0, 12), {
        ...{ architecture: "relu", resume: { ...kept[0], history } },
        checkpoint: { every: 100, save: (checkpoint) => saveCheckpoint(checkpoint, folder) },
      });
      assertEquals(resumed.sae, whole.sae);
      assertEquals(resumed.history.slice(5), whole.history.slice(5));
      assertEquals(resumed.history.slice(0, 5), history);
      assertEquals((await loadCheckpoint(folder))!.history, resumed.history);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

Deno.test(
  "an SAE to start from keeps its weights, and is steered from its own L0",
  async () => {
    using gpu = await openTestDevice();
    const options = { ...STEERED, architecture: "relu" } as const;
    const { sae: initial } = await trainSae(gpu, TRAIN, { ...options, targetL0: 10 });
    const { sae, history } = await trainSae(gpu, TRAIN, { ...options, initial, targetL0: 7 });
    assert(Math.abs(history[0].l0 / 10 - 1) < 0.1, `${history[0].l0}`);
    const l0 = await measuredL0(gpu, sae, HELD_OUT);
    assert(Math.abs(l0 / 7 - 1) < 0.05, `${l0}`);
  },
);

testOnDevices(
  "a target L0 on batches of equal samples, or of more latents than are positive",
  async (open) => {
    using gpu = await open();
    const equal = TRAIN.slice(0, 30).map(({ rows, cols }) => (
      { data: new Float32Array(rows * cols).fill(0.5), rows, cols }
    ));
    for (const architecture of ["relu", "jumprelu"] as const) {
      for (const batches of [equal, TRAIN.slice(0, 30)]) {
        const { sae } = await trainSae(gpu, batches, { ...STEERED, architecture, targetL0: 60 });
        assert(sae.wEnc.every(Number.isFinite));
      }
    }
  },
);
