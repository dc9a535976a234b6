import { formatBytes } from "./describe.ts";
import { type Cpu, isCpu } from "./cpu.ts";
import type { Device } from "./device.ts";
import { DeviceError } from "./errors.ts";
import { type Gpu, throwIfLost } from "./gpu.ts";

/** Data that is copied into a buffer. */
export type BufferData = Float32Array | Uint32Array;

/** A buffer of the CPU device: a range of its memory. */
export interface CpuBuffer {
  /** Name of its content, for messages. */
  readonly label: string;
  /** Size in bytes. */
  readonly size: number;
  /** Offset in the device's memory, in bytes. */
  readonly offset: number;
}

/** Memory on a device that stages read and write. */
export type DeviceBuffer = GPUBuffer | CpuBuffer;

/**
 * Buffers that are freed together. Bytes are counted before they are allocated; disposing of the set
 * frees all its buffers.
 */
export interface BufferSet {
  /** A storage buffer of `length` 32-bit numbers, all zero. */
  zeros(label: string, length: number): DeviceBuffer;
  /** A storage buffer with a copy of `data`. */
  from(label: string, data: BufferData): DeviceBuffer;
  /** A storage buffer for `count` indirect dispatches, three workgroup counts each, all zero. */
  dispatch(label: string, count?: number): DeviceBuffer;
  /** A uniform buffer with a copy of `data`. */
  uniform(label: string, data: BufferData): DeviceBuffer;
  /** A buffer of `length` 32-bit numbers that kernels write and then read as uniforms, all zero. */
  writtenUniform(label: string, length: number): DeviceBuffer;
  /** A texture of float32 vectors of 4 that kernels write and then read, all zero. */
  texture(label: string, width: number, height: number): GPUTexture;
  /** Frees everything in the set. */
  [Symbol.dispose](): void;
}

/**
 * Starts a set of buffers on a device.
 *
 * @throws {DeviceError} From its methods: a buffer above the device's limits or the memory limit.
 */
export function createBuffers(device: Device): BufferSet {
  return isCpu(device) ? createCpuBuffers(device) : createGpuBuffers(device as Gpu);
}

function createCpuBuffers(cpu: Cpu): BufferSet {
  const owned: CpuBuffer[] = [];
  const zeros = (label: string, length: number): CpuBuffer => {
    cpu.check();
    const size = Math.max(1, Math.ceil(length)) * 4;
    if (size > Math.min(cpu.limits.maxBufferSize, cpu.limits.maxStorageBufferBindingSize)) {
      throw new DeviceError(
        `${label} needs ${formatBytes(size)} in one buffer, this device allows ${
          formatBytes(Math.min(cpu.limits.maxBufferSize, cpu.limits.maxStorageBufferBindingSize))
        }`,
      );
    }
    cpu.account(size, label);
    try {
      const buffer = { label, size, offset: cpu.memory.allocate(size) };
      owned.push(buffer);
      return buffer;
    } catch (error) {
      cpu.account(-size, label);
      throw error;
    }
  };
  const from = (label: string, data: BufferData): CpuBuffer => {
    const buffer = zeros(label, data.length);
    writeBuffer(cpu, buffer, data);
    return buffer;
  };
  return {
    zeros,
    from,
    uniform: from,
    writtenUniform: zeros,
    dispatch: (label, count = 1) => zeros(label, 3 * count),
    texture() {
      throw new DeviceError("the CPU device has no textures");
    },
    [Symbol.dispose]() {
      const buffers = owned.splice(0);
      for (const { label, size } of buffers) cpu.account(-size, label);
      const release = () => {
        for (const { offset, size } of buffers) cpu.memory.free(offset, size);
      };
      // Pending stages may still use them.
      if (cpu.busy) cpu.enqueue(release);
      else release();
    },
  };
}

function createGpuBuffers(gpu: Gpu): BufferSet {
  const owned: { label: string; bytes: number; resource: GPUBuffer | GPUTexture }[] = [];
  const own = <R extends GPUBuffer | GPUTexture>(label: string, bytes: number, create: () => R) => {
    gpu.account(bytes, label);
    try {
      const resource = create();
      owned.push({ label, bytes, resource });
      return resource;
    } catch (error) {
      gpu.account(-bytes, label);
      throw error;
    }
  };
  const create = (label: string, bytes: number, usage: number): GPUBuffer => {
    gpu.check();
    const size = Math.max(4, Math.ceil(bytes / 4) * 4);
    // Buffers with both usages are bound as ranges.
    const limit = (usage & GPUBufferUsage.STORAGE) === 0
      ? 65536
      : usage & GPUBufferUsage.UNIFORM
      ? gpu.limits.maxBufferSize
      : Math.min(gpu.limits.maxBufferSize, gpu.limits.maxStorageBufferBindingSize);
    if (size > limit) {
      throw new DeviceError(
        `${label} needs ${formatBytes(size)} in one buffer, this device allows ${
          formatBytes(limit)
        }`,
      );
    }
    return own(label, size, () => gpu.device.createBuffer({ label, size, usage }));
  };
  const filled = (label: string, data: BufferData, usage: number): GPUBuffer => {
    const buffer = create(label, data.byteLength, usage);
    writeBuffer(gpu, buffer, data);
    return buffer;
  };
  const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const uniform = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  return {
    zeros: (label, length) => create(label, length * 4, storage),
    from: (label, data) => filled(label, data, storage),
    dispatch: (label, count = 1) => create(label, 12 * count, storage | GPUBufferUsage.INDIRECT),
    uniform: (label, data) => filled(label, data, uniform),
    writtenUniform: (label, length) => create(label, length * 4, storage | uniform),
    texture(label, width, height) {
      gpu.check();
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.STORAGE_BINDING |
        GPUTextureUsage.COPY_DST;
      const size = [width, height];
      return own(
        label,
        width * height * 16,
        () => gpu.device.createTexture({ label, size, format: "rgba32float", usage }),
      );
    },
    [Symbol.dispose]() {
      for (const { label, bytes, resource } of owned.splice(0)) {
        gpu.account(-bytes, label);
        resource.destroy();
      }
    },
  };
}

/**
 * Copies numbers into a buffer, from its element `start` on.
 *
 * @throws {DeviceError} The data do not fit. (Checked here, because writing past the end crashes Deno.)
 */
export function writeBuffer(
  device: Device,
  buffer: DeviceBuffer,
  data: BufferData,
  start = 0,
): void {
  device.check();
  const end = start * 4 + data.byteLength;
  if (end > buffer.size || start < 0) {
    throw new DeviceError(
      start < 0
        ? `start in ${buffer.label} is ${start}, expected a number from 0`
        : `${end} bytes do not fit into ${buffer.label} (${buffer.size} bytes)`,
    );
  }
  if (isCpu(device)) {
    const at = (buffer as CpuBuffer).offset + start * 4;
    const put = (numbers: BufferData) => {
      const View = numbers instanceof Float32Array ? Float32Array : Uint32Array;
      new View(device.memory.wasm.buffer as ArrayBuffer, at, numbers.length).set(numbers);
    };
    // Pending stages must see the old content.
    const copy = device.busy ? data.slice() : data;
    if (device.busy) device.enqueue(() => put(copy));
    else put(data);
    return;
  }
  // 4 MiB per write is fastest with the staging memory of Deno's queue.
  const chunk = 1 << 20;
  for (let at = 0; at < data.length; at += chunk) {
    const part = data.subarray(at, Math.min(data.length, at + chunk));
    (device as Gpu).device.queue.writeBuffer(
      buffer as GPUBuffer,
      (start + at) * 4,
      part as BufferSource,
    );
  }
}

/** Part of a buffer: `length` 32-bit numbers from element `start` on (default 0). */
export interface BufferPart {
  /** The buffer. */
  buffer: DeviceBuffer;
  /** Number of 32-bit numbers. */
  length: number;
  /** First element, default 0. */
  start?: number;
}

/**
 * Reads parts of buffers back, with one wait for all work submitted before (at least 10 ms on a GPU in
 * Deno): never call it inside a hot loop.
 *
 * @throws {DeviceError} A part is not inside its buffer, or the device failed.
 */
export async function readParts(device: Device, parts: BufferPart[]): Promise<ArrayBuffer[]> {
  device.check();
  const total = parts.reduce((sum, part) => sum + part.length * 4, 0);
  if (total === 0) return parts.map(() => new ArrayBuffer(0));
  for (const { buffer, length, start = 0 } of parts) {
    const end = (start + length) * 4;
    if (start < 0) {
      throw new DeviceError(`start in ${buffer.label} is ${start}, expected a number from 0`);
    }
    if (end > buffer.size) {
      throw new DeviceError(`${buffer.label} has ${buffer.size} bytes, ${end} were requested`);
    }
  }
  if (isCpu(device)) {
    await device.settled();
    device.check();
    return parts.map(({ buffer, length, start = 0 }) => {
      const { offset } = buffer as CpuBuffer;
      const copy = new ArrayBuffer(length * 4);
      new Uint32Array(copy).set(
        new Uint32Array(device.memory.wasm.buffer, offset + start * 4, length),
      );
      return copy;
    });
  }
  return await readGpuParts(device as Gpu, parts, total);
}

async function readGpuParts(gpu: Gpu, parts: BufferPart[], total: number): Promise<ArrayBuffer[]> {
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
  const staging = gpu.device.createBuffer({ label: "staging", size: total, usage });
  try {
    const encoder = gpu.device.createCommandEncoder();
    let at = 0;
    for (const { buffer, length, start = 0 } of parts) {
      if (length > 0) {
        encoder.copyBufferToBuffer(buffer as GPUBuffer, start * 4, staging, at, length * 4);
      }
      at += length * 4;
    }
    gpu.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    gpu.check();
    const mapped = staging.getMappedRange();
    at = 0;
    return parts.map(({ length }) => mapped.slice(at, at += length * 4));
  } catch (error) {
    await throwIfLost(gpu);
    throw error;
  } finally {
    staging.destroy();
  }
}

/** Reads float32 numbers back; see {@linkcode readParts}. */
export async function readFloats(
  device: Device,
  buffer: DeviceBuffer,
  length: number,
  start = 0,
): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await readParts(device, [{ buffer, length, start }]))[0]);
}

/** Reads 32-bit whole numbers back; see {@linkcode readParts}. */
export async function readIntegers(
  device: Device,
  buffer: DeviceBuffer,
  length: number,
  start = 0,
): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array((await readParts(device, [{ buffer, length, start }]))[0]);
}
