import { formatBytes } from "./describe.ts";
import { type Gpu, GpuError, throwIfLost } from "./gpu.ts";

/** Numbers that a buffer can hold. */
export type BufferData = Float32Array | Uint32Array;

/**
 * Buffers that live and die together. `create` counts the bytes first; disposing of the set frees
 * everything that it made.
 */
export interface BufferSet {
  /** A storage buffer of `length` 32-bit numbers, all zero. */
  zeros(label: string, length: number): GPUBuffer;
  /** A storage buffer with a copy of `data`. */
  from(label: string, data: BufferData): GPUBuffer;
  /** A storage buffer of the three workgroup counts that a dispatch reads, all zero. */
  dispatch(label: string): GPUBuffer;
  /** A uniform buffer of `length` 32-bit numbers, or with a copy of data. */
  uniform(label: string, data: BufferData): GPUBuffer;
  /** A buffer of `length` 32-bit numbers that kernels write and then read as uniforms, all zero. */
  writtenUniform(label: string, length: number): GPUBuffer;
  /** A texture of vectors of four 32-bit floats that kernels write and then read, all zero. */
  texture(label: string, width: number, height: number): GPUTexture;
  /** Frees everything in the set. */
  [Symbol.dispose](): void;
}

/**
 * Starts a set of buffers on a device.
 *
 * @throws {GpuError} From its methods: a buffer above the device's limits or the memory limit.
 */
export function createBuffers(gpu: Gpu): BufferSet {
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
    // Of what is both, kernels bind ranges.
    const most = (usage & GPUBufferUsage.STORAGE) === 0
      ? 65536
      : usage & GPUBufferUsage.UNIFORM
      ? gpu.limits.maxBufferSize
      : Math.min(gpu.limits.maxBufferSize, gpu.limits.maxStorageBufferBindingSize);
    if (size > most) {
      throw new GpuError(
        `${label} needs ${formatBytes(size)} in one buffer, this device allows ${
          formatBytes(most)
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
    dispatch: (label) => create(label, 12, storage | GPUBufferUsage.INDIRECT),
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
 * @throws {GpuError} The data do not fit (checked here: past the end Deno's process ends).
 */
export function writeBuffer(gpu: Gpu, buffer: GPUBuffer, data: BufferData, start = 0): void {
  gpu.check();
  const end = start * 4 + data.byteLength;
  if (end > buffer.size) {
    throw new GpuError(`${end} bytes do not fit into ${buffer.label} (${buffer.size} bytes)`);
  }
  // 4 MiB at a time is the fastest way through the staging memory of Deno's queue.
  const chunk = 1 << 20;
  for (let at = 0; at < data.length; at += chunk) {
    const part = data.subarray(at, Math.min(data.length, at + chunk));
    gpu.device.queue.writeBuffer(buffer, (start + at) * 4, part as BufferSource);
  }
}

/** Part of a buffer: `length` 32-bit numbers from element `start` on (default 0). */
export interface BufferPart {
  /** The buffer. */
  buffer: GPUBuffer;
  /** How many numbers. */
  length: number;
  /** First number. */
  start?: number;
}

/**
 * Reads parts of buffers back, all in one wait. Waits until the GPU has done all work submitted
 * before (at least 10 ms in Deno): never call it inside a hot loop.
 */
export async function readParts(gpu: Gpu, parts: BufferPart[]): Promise<ArrayBuffer[]> {
  gpu.check();
  const total = parts.reduce((sum, part) => sum + part.length * 4, 0);
  if (total === 0) return parts.map(() => new ArrayBuffer(0));
  for (const { buffer, length, start = 0 } of parts) {
    const end = (start + length) * 4;
    if (end > buffer.size) {
      throw new GpuError(`${buffer.label} has ${buffer.size} bytes, ${end} were wanted`);
    }
  }
  const usage = GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ;
  const staging = gpu.device.createBuffer({ label: "staging", size: total, usage });
  try {
    const encoder = gpu.device.createCommandEncoder();
    let at = 0;
    for (const { buffer, length, start = 0 } of parts) {
      if (length > 0) encoder.copyBufferToBuffer(buffer, start * 4, staging, at, length * 4);
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
  gpu: Gpu,
  buffer: GPUBuffer,
  length: number,
  start = 0,
): Promise<Float32Array<ArrayBuffer>> {
  return new Float32Array((await readParts(gpu, [{ buffer, length, start }]))[0]);
}

/** Reads 32-bit whole numbers back; see {@linkcode readParts}. */
export async function readIntegers(
  gpu: Gpu,
  buffer: GPUBuffer,
  length: number,
  start = 0,
): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array((await readParts(gpu, [{ buffer, length, start }]))[0]);
}
