import { assert, assertEquals, assertThrows } from "@std/assert";
import { openCpu } from "../../lib/device/cpu.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Gpu } from "../../lib/device/gpu.ts";
import { chooseScreening, screeningOf } from "../../lib/ops/choose_screening.ts";
import { openOwnGpu } from "../gpu_helper.ts";

/** The GPU as a hardware adapter for which nothing was chosen yet, with other properties. */
const asNew = (gpu: Gpu, more: PropertyDescriptorMap = {}): Gpu =>
  Object.create(gpu, {
    software: { value: false },
    screening: { value: undefined, writable: true },
    ...more,
  });

Deno.test("a hardware GPU measures once what it screens selections with, and frees what that took", async () => {
  using gpu = await openOwnGpu();
  const own = asNew(gpu);
  const before = gpu.kernels.size;
  await chooseScreening(own);
  assert(["int8", "float16", "float32"].includes(own.screening!), own.screening);
  assertEquals(screeningOf(own), own.screening);
  assertEquals(gpu.allocated, 0);
  const measured = gpu.kernels.size - before;
  assert(measured >= 1 && measured <= 3);
  await chooseScreening(own);
  assertEquals(gpu.kernels.size - before, measured);
});

Deno.test("without room, or on a software adapter, nothing is measured; what was asked for stays", async () => {
  using gpu = await openOwnGpu({ screening: "float32" });
  assertEquals(screeningOf(gpu), "float32");
  await chooseScreening(gpu);
  assertEquals(screeningOf(gpu), "float32");
  const scarce = asNew(gpu, { memoryLimit: { value: 1000 } });
  await chooseScreening(scarce);
  const software = asNew(gpu, { software: { value: true } });
  await chooseScreening(software);
  assertEquals([scarce.screening, software.screening], ["int8", "int8"]);
  assertEquals(gpu.kernels.size, 0);
  using cpu = await openCpu({ workers: 0, integerProduct: false });
  await chooseScreening(cpu);
});

Deno.test("what the device has not cannot be asked for", async () => {
  using gpu = await openOwnGpu({ screening: "float16" });
  const without = asNew(gpu, { features: { value: new Set() }, screening: { value: "float16" } });
  assertThrows(
    () => screeningOf(without),
    DeviceError,
    "this device cannot screen selections with float16",
  );
});
