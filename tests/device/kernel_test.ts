import { submit } from "../../lib/device/program.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createBuffers, readIntegers } from "../../lib/device/buffer.ts";
import { DeviceError } from "../../lib/device/errors.ts";
import type { Device } from "../../lib/device/device.ts";
import { compileKernel, createOperation } from "../../lib/device/kernel.ts";
import { openGpu } from "../gpu_helper.ts";

const COUNT = `
@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(num_workgroups) count: vec3u) {
  let at = id.x + id.y * count.x;
  if (at < arrayLength(&out)) { out[at] += at + 1u; }
}`;

/** Waits until `check` throws; the device reports errors some time after the call. */
async function failureOf(gpu: Device): Promise<unknown> {
  for (let turn = 0; turn < 200; turn++) {
    try {
      gpu.check();
    } catch (error) {
      return error;
    }
    await new Promise((done) => setTimeout(done, 5));
  }
  return undefined;
}

Deno.test("a kernel that does not compile is shown with its name and line", async () => {
  using gpu = await openGpu();
  const broken = COUNT.replace("at + 1u", "at + 1.5");
  const error = await assertRejects(() => compileKernel(gpu, "count", broken), DeviceError);
  const [first, ...lines] = error.message.split("\n");
  assert(/^kernel count does not compile: line 6: \S/.test(first), first);
  assert(lines.some((line) => /^> +6 .*out\[at\] \+= at \+ 1\.5/.test(line)), error.message);
  assert(lines.some((line) => /^ +5 .*let at/.test(line)), error.message);
  // The device goes on.
  await compileKernel(gpu, "count", COUNT);
  gpu.check();
});

Deno.test("what the compiler says below its first line is not lost", async () => {
  using gpu = await openGpu();
  const cases = [
    [COUNT.replace("read_write", "read"), "line 6: ", "writing to this location is not permitted"],
    [COUNT.replace("size(1)", "size(65536)"), "Shader ", "Workgroup size is out of range"],
  ];
  for (const [code, start, reason] of cases) {
    const error = await assertRejects(() => compileKernel(gpu, "count", code), DeviceError);
    const [first] = error.message.split("\n");
    assertEquals(first.slice(0, 31 + start.length), `kernel count does not compile: ${start}`);
    assert(first.includes(reason), first);
  }
});

Deno.test("a kernel that no device can run is refused by name", async () => {
  using gpu = await openGpu();
  const code = COUNT.replace("workgroup_size(1)", "workgroup_size(512)");
  const text = "kernel count is not valid: ";
  await assertRejects(() => compileKernel(gpu, "count", code), DeviceError, text);
  await compileKernel(gpu, "count", COUNT);
  gpu.check();
});

Deno.test("the same source is compiled once", async () => {
  using gpu = await openGpu();
  const first = await compileKernel(gpu, "count", COUNT);
  assert(first === await compileKernel(gpu, "again", COUNT));
  assert(first !== await compileKernel(gpu, "other", COUNT + "\n"));
});

Deno.test("dispatches above one dimension's limit reach every workgroup once", async () => {
  for (const most of [1, 7, 65535]) {
    using gpu = await openGpu({ limits: { maxComputeWorkgroupsPerDimension: most } });
    using buffers = createBuffers(gpu);
    for (const workgroups of [1, 6, 7, 8, 13, 47, 49]) {
      const out = buffers.zeros("out", workgroups);
      submit(gpu, [await createOperation(gpu, "count", COUNT, [out], workgroups)]);
      const expected = Array.from({ length: workgroups }, (_, at) => at + 1);
      assertEquals([...await readIntegers(gpu, out, workgroups)], expected, `${most}`);
    }
  }
});

Deno.test("submit clears first, and runs operations in order", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const out = buffers.from("out", Uint32Array.of(100, 100));
  const count = await createOperation(gpu, "count", COUNT, [out], 2);
  const double = await createOperation(
    gpu,
    "double",
    COUNT.replace("+= at + 1u", "*= 2u"),
    [out],
    2,
  );
  submit(gpu, [count, double], [out]);
  assertEquals([...await readIntegers(gpu, out, 2)], [2, 4]);
  submit(gpu, [double, count]);
  assertEquals([...await readIntegers(gpu, out, 2)], [5, 10]);
});

Deno.test("a binding above the limit is refused by name", async () => {
  using gpu = await openGpu({ limits: { maxStorageBufferBindingSize: 64 } });
  const buffer = gpu.device.createBuffer({
    label: "large",
    size: 68,
    usage: GPUBufferUsage.STORAGE,
  });
  await assertRejects(
    () => createOperation(gpu, "count", COUNT, [buffer], 1),
    DeviceError,
    "count: large (68 bytes) is above the limit",
  );
  buffer.destroy();
});

Deno.test("an error that the device reports outside of a call is thrown by the next one", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const [one, two] = [buffers.zeros("one", 1), buffers.zeros("two", 1)];
  // One binding too many.
  await createOperation(gpu, "count", COUNT, [one, two], 1).catch(() => {});
  const failure = await failureOf(gpu);
  assert(failure instanceof DeviceError, String(failure));
  assert(failure.message.length > 10);
  assertThrows(() => submit(gpu, []), DeviceError, failure.message);
  assertThrows(() => buffers.zeros("more", 1), DeviceError, failure.message);
  await assertRejects(() => readIntegers(gpu, one, 1), DeviceError, failure.message);
});
