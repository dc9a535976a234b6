import { assert, assertAlmostEquals, assertEquals, assertInstanceOf } from "@std/assert";
import { assertRejects, assertStringIncludes } from "@std/assert";
import { DeviceError } from "../../lib/device/errors.ts";
import type { TrainOptions } from "../../lib/training/options.ts";
import { trainSae } from "../../lib/training/train_sae.ts";
import { openGpu, presentAs, randomMatrix, withFree } from "../gpu_helper.ts";

const [N, D, M] = [6, 5, 16];
const OPTIONS: TrainOptions = { architecture: "batchtopk", dictSize: M, k: 2, deadAfter: 2 };
const RELU = { architecture: "relu", k: undefined, sparsityCoefficient: 1 } as const;
const JUMP = { ...RELU, architecture: "jumprelu" } as const;
const batches = (count: number) =>
  Array.from({ length: count }, (_, step) => randomMatrix(step, N, D));

Deno.test("too little memory is said before anything is allocated", async () => {
  let created = 0;
  using gpu = await openGpu({ memoryLimit: 4000 });
  const create = gpu.device.createBuffer.bind(gpu.device);
  gpu.device.createBuffer = (descriptor) => (created++, create(descriptor));
  const error = await assertRejects(
    () => trainSae(gpu, batches(2), OPTIONS),
    Error,
    "training 16 latents on batches of 6 × 5 needs ",
  );
  assertEquals(gpu.allocated, 0);
  assertInstanceOf(error, DeviceError);
  assertStringIncludes(error.message, "of GPU memory, 3.9 KiB are free: take fewer latents");
  assertEquals(created, 0);
});

Deno.test("what software adapters lay the encoder out in counts too", async () => {
  using gpu = await openGpu({ memoryLimit: 4000 });
  const needed = async (kind: "software" | "hardware") => {
    const run = () => trainSae(presentAs(gpu, kind), batches(2), OPTIONS);
    const { message } = await assertRejects(run, DeviceError);
    return Number(/needs ([\d.]+) KiB/.exec(message)![1]);
  };
  // A texture of 32 × 2 vectors and a buffer of 16.
  const more = (32 * 2 + 16) * 16 / 1024;
  assertAlmostEquals(await needed("software") - await needed("hardware"), more, 0.11);
});

Deno.test("ReLU and JumpReLU say how many samples have room for all latents", async () => {
  using gpu = await openGpu({ limits: { maxStorageBufferBindingSize: 8192 } });
  for (const { architecture, ...options } of [RELU, JUMP]) {
    const own = { ...OPTIONS, ...options, architecture, dictSize: 300 };
    const error = await assertRejects(
      () => trainSae(gpu, batches(2), own),
      Error,
      `${architecture} can have all 300 latents active in each of 6 samples, which needs 14 KiB in ` +
        `one buffer; this device allows 8.0 KiB: take batches of at most 3 samples, or fewer latents`,
    );
    assertEquals(gpu.allocated, 0);
    assertInstanceOf(error, DeviceError);
    const few = Array.from({ length: 2 }, (_, step) => randomMatrix(step, 3, D));
    await trainSae(gpu, few, own);
  }
});

Deno.test("whatever the memory limit, all of it is free again after an error", async () => {
  using gpu = await openGpu({ memoryLimit: 1e6 });
  const own = { ...OPTIONS, gradientClip: 1, inputNormalization: "layer_norm" } as const;
  let failures = 0;
  // From the estimate, which counts what grows, up to what is really needed.
  for (let bytes = 5000; bytes < 25_000; bytes += 1000) {
    await withFree(gpu, bytes, async () => {
      try {
        assertEquals((await trainSae(gpu, batches(2), own)).history.length, 2);
      } catch (error) {
        assertInstanceOf(error, DeviceError);
        failures++;
      }
    });
    assertEquals(gpu.allocated, 0);
  }
  assert(failures > 5 && failures < 20, `${failures} failures`);
});
