import { describeAdapter, formatBytes } from "./describe.ts";

/** The limits that decide how work is split. Every kernel works within WebGPU's defaults. */
export interface GpuLimits {
  /** Largest range of a buffer that one kernel can see, in bytes (WebGPU default: 128 MiB). */
  maxStorageBufferBindingSize: number;
  /** Largest buffer, in bytes (WebGPU default: 256 MiB). */
  maxBufferSize: number;
  /** Largest number of workgroups in one dimension of a dispatch (WebGPU default: 65,535). */
  maxComputeWorkgroupsPerDimension: number;
}

/** An open device with what the kernels need to know of it. Owns GPU memory: dispose of it. */
export interface Gpu {
  /** The WebGPU device. */
  readonly device: GPUDevice;
  /** The adapter's name, as its driver gives it. */
  readonly name: string;
  /** Whether the adapter is a software one (llvmpipe, lavapipe, SwiftShader, WARP). */
  readonly software: boolean;
  /** The limits that work is split by: the device's, or smaller ones asked for in the options. */
  readonly limits: GpuLimits;
  /** Optional features that the device really granted. */
  readonly features: ReadonlySet<string>;
  /** Most bytes that all buffers together may take. */
  readonly memoryLimit: number;
  /** Bytes in buffers that are alive. */
  readonly allocated: number;
  /** Compiled kernels by source, kept for the life of the device. */
  readonly kernels: Map<string, Promise<GPUComputePipeline>>;
  /** Counts bytes before they are allocated (negative: freed); throws where the limit is passed. */
  account(bytes: number, what: string): void;
  /** Throws the first error that the device reported outside of any call, if there was one. */
  check(): void;
  /** Frees the device and everything on it. */
  [Symbol.dispose](): void;
}

/** Options of {@linkcode openGpu}. */
export interface GpuOptions {
  /**
   * Which adapter: "hardware" (an error where there is none), "software", or "auto", which takes
   * hardware before software (the default).
   */
  adapter?: "auto" | "hardware" | "software";
  /** Smaller limits than the device's, to try how work is split. */
  limits?: Partial<GpuLimits>;
  /** Most bytes that all buffers together may take (default: no limit but the device's own). */
  memoryLimit?: number;
}

/** An error of the GPU: no adapter, no memory, a kernel that does not compile, a lost device. */
export class GpuError extends Error {
  /** The name shown in front of the message. */
  override name: string = "GpuError";
}

/** The device is gone: its driver restarted, or it was destroyed. A new one can be opened. */
export class DeviceLostError extends GpuError {
  /** The name shown in front of the message. */
  override name: string = "DeviceLostError";
}

const NO_ADAPTER = "no WebGPU adapter was found. On Linux install a Vulkan driver: your card's, " +
  "or the software one with `apt-get install mesa-vulkan-drivers`. " +
  "DENO_WEBGPU_BACKEND=vulkan or gl chooses one. `saewing doctor` shows what is there";

/**
 * Opens the GPU: a hardware adapter before a software one, with the largest limits that the adapter
 * grants and the optional features that it really has.
 *
 * @param options Which adapter, smaller limits, most memory.
 * @returns The open device; dispose of it with `using`.
 * @throws {GpuError} No adapter: the message says what to install.
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const adapter = await requestAdapter(options.adapter ?? "auto");
  const device = await requestDevice(adapter);
  const limits: GpuLimits = {
    maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
    maxBufferSize: device.limits.maxBufferSize,
    maxComputeWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
  };
  for (const [key, wanted] of Object.entries(options.limits ?? {})) {
    const name = key as keyof GpuLimits;
    if (!Number.isInteger(wanted) || wanted < 1) {
      throw new RangeError(`limits.${name} is ${wanted}, expected a whole number above 0`);
    }
    limits[name] = Math.min(limits[name], wanted);
  }
  let allocated = 0;
  let failure: GpuError | undefined;
  let disposed = false;
  device.addEventListener("uncapturederror", (event) => {
    // Without this Deno prints the error and goes on, with results that mean nothing.
    event.preventDefault();
    failure ??= new GpuError((event as GPUUncapturedErrorEvent).error.message);
  });
  device.lost.then((info) => {
    // It comes before what the device reported: that is mostly its end.
    if (!disposed) failure = new DeviceLostError(`the GPU device was lost: ${info.message}`);
  });
  const memoryLimit = options.memoryLimit ?? Infinity;
  return {
    device,
    ...describeAdapter(adapter.info),
    limits,
    features: new Set(device.features),
    memoryLimit,
    get allocated() {
      return allocated;
    },
    kernels: new Map(),
    account(bytes, what) {
      if (bytes > 0 && allocated + bytes > memoryLimit) {
        throw new GpuError(
          `${what} needs ${formatBytes(bytes)} of GPU memory; ${formatBytes(allocated)} of the ` +
            `${formatBytes(memoryLimit)} allowed are in use`,
        );
      }
      allocated += bytes;
    },
    check() {
      if (disposed) throw new GpuError("the GPU was used after it was disposed of");
      if (failure) throw failure;
    },
    [Symbol.dispose]() {
      disposed = true;
      device.destroy();
    },
  };
}

/**
 * What fails on a lost device fails as invalid; only in the next turn does the device say that it is
 * lost. To be awaited before an error is thrown whose reason this may be.
 *
 * @throws {GpuError} The device is lost, or reported an error before.
 */
export async function throwIfLost(gpu: Gpu): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  gpu.check();
}

async function requestAdapter(kind: "auto" | "hardware" | "software"): Promise<GPUAdapter> {
  const gpu = globalThis.navigator?.gpu;
  if (!gpu) throw new GpuError("this runtime has no WebGPU (navigator.gpu is missing)");
  const adapter = await withRuntimeFolder(() =>
    gpu.requestAdapter(
      kind === "software"
        ? { forceFallbackAdapter: true }
        : { powerPreference: "high-performance" },
    )
  );
  if (!adapter) throw new GpuError(NO_ADAPTER);
  const { name, software } = describeAdapter(adapter.info);
  if (kind === "hardware" && software) {
    throw new GpuError(
      `the only WebGPU adapter is a software one (${name}), a hardware one was asked for`,
    );
  }
  return adapter;
}

/**
 * Calls with XDG_RUNTIME_DIR set where Linux has none, as in containers: Mesa's Vulkan driver looks for a
 * display there and prints errors without it. Nothing is at the place that it is told, nobody but root
 * could put something there, and the variable is gone afterwards. Without the right to set it
 * (--allow-env=XDG_RUNTIME_DIR) it is left alone; nobody is asked.
 */
async function withRuntimeFolder<T>(call: () => Promise<T>): Promise<T> {
  const variable = "XDG_RUNTIME_DIR";
  // A browser has none.
  const deno = globalThis.Deno;
  const mayBeSet = deno?.build.os === "linux" &&
    deno.permissions.querySync({ name: "env", variable }).state === "granted";
  if (!mayBeSet || deno.env.get(variable)) return await call();
  deno.env.set(variable, "/nonexistent");
  try {
    return await call();
  } finally {
    deno.env.delete(variable);
  }
}

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits: Record<string, number> = {};
  for (
    const name of [
      "maxStorageBufferBindingSize",
      "maxBufferSize",
      "maxComputeWorkgroupStorageSize",
    ] as const
  ) {
    requiredLimits[name] = adapter.limits[name];
  }
  // Deno hides some features that requestDevice grants all the same: ask, and fall back.
  const optional = ["subgroups", "timestamp-query"];
  for (let count = optional.length; count > 0; count--) {
    try {
      return await adapter.requestDevice({
        requiredLimits,
        requiredFeatures: optional.slice(0, count) as GPUFeatureName[],
      });
    } catch {
      // Fewer features are asked for in the next turn.
    }
  }
  return await adapter.requestDevice({ requiredLimits });
}
