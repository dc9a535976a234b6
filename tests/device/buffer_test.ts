import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createBuffers,
  readFloats,
  readIntegers,
  readParts,
  writeBuffer,
} from "../../lib/device/buffer.ts";
import { DeviceError } from "../../lib/device/errors.ts";

import { openGpu, randomNumbers } from "../gpu_helper.ts";

Deno.test("buffers: numbers come back as they went in, zeros are zero", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const bits = Uint32Array.of(0, 1, 0x7fc00000, 0xffffffff, 0x80000000);
  const integers = buffers.from("integers", bits);
  assertEquals([...await readIntegers(gpu, integers, 5)], [...bits]);
  const numbers = randomNumbers(1, 77);
  const floats = buffers.from("floats", numbers);
  assertEquals([...await readFloats(gpu, floats, 77)], [...numbers]);
  assertEquals([...await readFloats(gpu, floats, 3, 70)], [...numbers.subarray(70, 73)]);
  assertEquals([...await readIntegers(gpu, buffers.zeros("zeros", 100), 100)], Array(100).fill(0));
  writeBuffer(gpu, floats, Float32Array.of(5, 6), 75);
  assertEquals([...await readFloats(gpu, floats, 3, 74)], [numbers[74], 5, 6]);
  // A view into a larger array writes only what it shows.
  writeBuffer(gpu, integers, Uint32Array.of(7, 8, 9).subarray(1, 2));
  assertEquals([...await readIntegers(gpu, integers, 2)], [8, 1]);
});

Deno.test("buffers: data above 4 MiB are written whole", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const length = 2 ** 21 + 5;
  const buffer = buffers.from("many", Uint32Array.from({ length }, (_, at) => at));
  for (const at of [0, 2 ** 20 - 1, 2 ** 20, 2 ** 21 + 4]) {
    assertEquals((await readIntegers(gpu, buffer, 1, at))[0], at);
  }
});

Deno.test("readParts reads several parts in one go, empty ones included", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const one = buffers.from("one", Uint32Array.of(1, 2, 3));
  const two = buffers.from("two", Uint32Array.of(4, 5));
  const parts = await readParts(gpu, [
    { buffer: two, length: 1, start: 1 },
    { buffer: one, length: 0 },
    { buffer: one, length: 3 },
  ]);
  assertEquals(parts.map((part) => [...new Uint32Array(part)]), [[5], [], [1, 2, 3]]);
  assertEquals((await readParts(gpu, [{ buffer: one, length: 0 }]))[0].byteLength, 0);
});

Deno.test("ranges outside a buffer are refused before the runtime sees them", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const buffer = buffers.zeros("weights", 4);
  const five = new Float32Array(5);
  assertThrows(
    () => writeBuffer(gpu, buffer, five),
    DeviceError,
    "20 bytes do not fit into weights (16 bytes)",
  );
  assertThrows(() => writeBuffer(gpu, buffer, five.subarray(2), 2), DeviceError, "20 bytes do not");
  assertThrows(() => writeBuffer(gpu, buffer, five.subarray(2), -1), Error);
  await assertRejects(
    () => readFloats(gpu, buffer, 5),
    DeviceError,
    "weights has 16 bytes, 20 were requested",
  );
  await assertRejects(() => readFloats(gpu, buffer, 1, 4), DeviceError, "20 were requested");
  await assertRejects(() => readFloats(gpu, buffer, 1, -1), Error);
  // The device is still good.
  assertEquals([...await readFloats(gpu, buffer, 4)], [0, 0, 0, 0]);
});

Deno.test("a buffer above the device's limits is refused by name", async () => {
  for (
    const limits of [{ maxStorageBufferBindingSize: 1024 }, { maxBufferSize: 1024 }]
  ) {
    using gpu = await openGpu({ limits });
    using buffers = createBuffers(gpu);
    buffers.zeros("fits", 256);
    const text = "decoder needs 1.0 KiB in one buffer, this device allows 1.0 KiB";
    assertThrows(() => buffers.zeros("decoder", 257), DeviceError, text);
    assertEquals(gpu.allocated, 1024);
  }
});

Deno.test("bytes are counted against the memory limit, and freed together", async () => {
  using gpu = await openGpu({ memoryLimit: 4096 });
  {
    using first = createBuffers(gpu);
    first.zeros("encoder", 256);
    using second = createBuffers(gpu);
    second.from("bias", new Float32Array(512));
    assertEquals(gpu.allocated, 3072);
    const text = "decoder needs 1.0 KiB of GPU memory; 3.0 KiB of the 4.0 KiB allowed are in use";
    assertThrows(() => second.zeros("decoder", 257), DeviceError, text);
    assertEquals(gpu.allocated, 3072);
    second[Symbol.dispose]();
    assertEquals(gpu.allocated, 1024);
    // A second time frees nothing twice.
    second[Symbol.dispose]();
    assertEquals(gpu.allocated, 1024);
    first.zeros("decoder", 768);
    assertEquals(gpu.allocated, 4096);
  }
  assertEquals(gpu.allocated, 0);
});

Deno.test("what the device refuses to create is not counted", async () => {
  using gpu = await openGpu();
  using buffers = createBuffers(gpu);
  const refuse = () => {
    throw new TypeError("refused");
  };
  gpu.device.createBuffer = refuse;
  gpu.device.createTexture = refuse;
  assertThrows(() => buffers.zeros("decoder", 4), TypeError, "refused");
  assertThrows(() => buffers.texture("panels", 4, 4), TypeError, "refused");
  assertEquals(gpu.allocated, 0);
});
