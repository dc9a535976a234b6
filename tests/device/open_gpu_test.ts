import { submit } from "../../lib/device/program.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { createBuffers, writeBuffer } from "../../lib/device/buffer.ts";
import { describeAdapter, formatBytes } from "../../lib/device/describe.ts";
import { DeviceError } from "../../lib/device/errors.ts";

import { openDevice } from "../../lib/device/open_device.ts";
import { openOwnGpu } from "../gpu_helper.ts";

/** Answers requestAdapter with `adapter` while `body` runs; tells what was asked for. */
async function withAdapter(
  adapter: unknown,
  body: (asked: (GPURequestAdapterOptions | undefined)[]) => Promise<void>,
) {
  const asked: (GPURequestAdapterOptions | undefined)[] = [];
  const gpu = {
    requestAdapter: (options?: GPURequestAdapterOptions) => {
      asked.push(options);
      return Promise.resolve(adapter);
    },
  };
  await withNavigatorGpu(gpu, () => body(asked));
}

async function withNavigatorGpu(gpu: unknown, body: () => Promise<void>) {
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  try {
    await body();
  } finally {
    // What is left is the prototype's own.
    delete (navigator as { gpu?: unknown }).gpu;
  }
}

Deno.test("openGpu: no adapter says how to get one", async () => {
  for (const device of ["gpu", "software"] as const) {
    await withAdapter(null, async (asked) => {
      const error = await assertRejects(() => openDevice({ device }), DeviceError);
      assertStringIncludes(error.message, "no WebGPU adapter was found");
      assertStringIncludes(error.message, "apt-get install mesa-vulkan-drivers");
      assertStringIncludes(error.message, "DENO_WEBGPU_BACKEND");
      assertEquals(asked[0]?.forceFallbackAdapter ?? false, device === "software");
    });
  }
});

Deno.test("openGpu: a runtime without WebGPU is named as such", async () => {
  await withNavigatorGpu(undefined, async () => {
    const text = "this runtime has no WebGPU (navigator.gpu is missing)";
    await assertRejects(() => openDevice({ device: "software" }), DeviceError, text);
  });
  using gpu = await openOwnGpu();
  assert(gpu.name.length > 0);
});

Deno.test("openGpu: hardware that is asked for is not replaced by software", async () => {
  const info = { description: "llvmpipe (LLVM 15.0.6, 256 bits)", device: "", vendor: "" };
  await withAdapter({ info }, async () => {
    const text = "the only WebGPU adapter is a software one (llvmpipe (LLVM 15.0.6, 256 bits)), " +
      "expected a hardware one";
    await assertRejects(() => openDevice({ device: "gpu" }), DeviceError, text);
  });
});

Deno.test("openGpu: features that the adapter does not grant are left out", async () => {
  const real = await navigator.gpu.requestAdapter();
  const asked: string[][] = [];
  const adapter = {
    info: real!.info,
    limits: real!.limits,
    features: new Set(),
    requestDevice(descriptor: GPUDeviceDescriptor) {
      const features = [...descriptor.requiredFeatures ?? []];
      asked.push(features);
      if (features.length > 0) return Promise.reject(new TypeError("not granted"));
      return real!.requestDevice(descriptor);
    },
  };
  await withAdapter(adapter, async () => {
    using gpu = await openOwnGpu();
    assert(!gpu.features.has("subgroups"));
  });
  assertEquals(asked.map((features) => features.length), [2, 1, 0]);
});

Deno.test("openGpu: limits only become smaller, and are whole numbers", async () => {
  using plain = await openOwnGpu();
  const limits = { maxStorageBufferBindingSize: 4096, maxBufferSize: 2 ** 50 };
  using gpu = await openOwnGpu({ limits });
  assertEquals(gpu.limits, { ...plain.limits, maxStorageBufferBindingSize: 4096 });
  for (const wanted of [0, -1, 1.5, NaN]) {
    await assertRejects(
      () => openOwnGpu({ limits: { maxBufferSize: wanted } }),
      RangeError,
      `limits.maxBufferSize is ${wanted}, expected a whole number above 0`,
    );
  }
});

Deno.test("a GPU that was disposed of says so", async () => {
  const gpu = await openOwnGpu();
  const buffers = createBuffers(gpu);
  const buffer = buffers.zeros("numbers", 4);
  gpu[Symbol.dispose]();
  const text = "the GPU was used after it was disposed of";
  assertThrows(() => buffers.zeros("more", 4), DeviceError, text);
  assertThrows(() => writeBuffer(gpu, buffer, Uint32Array.of(1)), DeviceError, text);
  assertThrows(() => submit(gpu, []), DeviceError, text);
});

Deno.test("describeAdapter finds a name, and software by its name or its flag", () => {
  const info = (more: object) =>
    ({ description: "", device: "", vendor: "", ...more }) as unknown as GPUAdapterInfo;
  const cases: [object, string, boolean][] = [
    [{ description: "NVIDIA H100", vendor: "4318" }, "NVIDIA H100", false],
    [{ device: "9009", vendor: "NVIDIA" }, "NVIDIA", false],
    [{ device: "1", vendor: "2" }, "unnamed adapter", false],
    [{ description: "llvmpipe (LLVM 15)" }, "llvmpipe (LLVM 15)", true],
    [{ description: "SwiftShader Device" }, "SwiftShader Device", true],
    [{ description: "Microsoft Basic Render Driver" }, "Microsoft Basic Render Driver", true],
    [{ description: "something", isFallbackAdapter: true }, "something", true],
  ];
  for (const [given, name, software] of cases) {
    assertEquals(describeAdapter(info(given)), { name, software });
  }
});

Deno.test("formatBytes writes bytes for people", () => {
  const cases: [number, string][] = [
    [0, "0 bytes"],
    [4, "4 bytes"],
    [1023, "1023 bytes"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [-2048, "-2.0 KiB"],
    [10 * 2 ** 20, "10 MiB"],
    [2 ** 27, "128 MiB"],
    [1.6 * 2 ** 30, "1.6 GiB"],
    [2 ** 52, "4096 TiB"],
    [Infinity, "Infinity"],
  ];
  for (const [bytes, text] of cases) assertEquals(formatBytes(bytes), text);
});
