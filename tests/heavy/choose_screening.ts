// Products of a size that says something: seconds on a software adapter.
import { assert, assertEquals } from "@std/assert";
import { chooseScreening, screeningOf } from "../../lib/ops/choose_screening.ts";
import { openOwnGpu } from "../gpu_helper.ts";
import { asNew } from "../ops/as_new_gpu.ts";

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
