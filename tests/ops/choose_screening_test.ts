import { assertEquals, assertThrows } from "@std/assert";
import { openCpu } from "../../lib/device/cpu.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import { chooseScreening, screeningOf } from "../../lib/ops/choose_screening.ts";
import { openOwnGpu } from "../gpu_helper.ts";
import { asNew } from "./as_new_gpu.ts";

// That a hardware GPU measures: tests/heavy/choose_screening.ts.

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

Deno.test("a screening format that the device does not support is an error", async () => {
  using gpu = await openOwnGpu({ screening: "float16" });
  const without = asNew(gpu, { features: { value: new Set() }, screening: { value: "float16" } });
  assertThrows(
    () => screeningOf(without),
    DeviceError,
    "screening is float16, expected one of",
  );
});
