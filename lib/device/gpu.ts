import { checkWhole } from "../whole_number.ts";
import { describeAdapter, formatBytes } from "./describe.ts";
import type { Device, DeviceOptions } from "./device.ts";
import { DeviceError, DeviceLostError } from "./errors.ts";

/** An open WebGPU device, its features and compiled kernels. It owns GPU memory. */
export interface Gpu extends Device {
  /** A GPU. */
  readonly kind: "gpu";
  /** The WebGPU device. */
  readonly device: GPUDevice;
  /** Optional features that the device granted. */
  readonly features: ReadonlySet<string>;
  /** Compiled kernels by source, kept until the device is freed. */
  readonly kernels: Map<string, Promise<GPUComputePipeline>>;
  /** The number format for screening, once chosen. */
  screening?: DeviceOptions["screening"];
  /** Whether ReLU and JumpReLU use dense products: never, always, or depending on density. */
  readonly denseStep: "never" | "always" | "measured";
}

const NO_ADAPTER = "no WebGPU adapter was found. On Linux install a Vulkan driver: your card's, " +
  "or the software one with `apt-get install mesa-vulkan-drivers`. " +
  "DENO_WEBGPU_BACKEND=vulkan or gl selects a backend. `saewing doctor` shows what is available";

/**
 * Opens a GPU with the largest limits that its adapter grants and the optional features it has.
 *
 * @throws {DeviceError} There is no such adapter: the message says what to install.
 */
export async function openGpu(
  adapterKind: "hardware" | "software",
  options: DeviceOptions,
): Promise<Gpu> {
  const adapter = await requestAdapter(adapterKind);
  const device = await requestDevice(adapter);
  return useGpu(
    { device, info: adapter.info, kernels: new Map() },
    options,
    () => device.destroy(),
  );
}

/** A WebGPU device that several {@linkcode Gpu} use one after another. */
export interface OpenedGpu extends Pick<Gpu, "device" | "kernels"> {
  /** The adapter's description. */
  readonly info: GPUAdapterInfo;
}

/**
 * A GPU on an open WebGPU device, with its own limits, memory count and lifetime. Compiled kernels are
 * kept for the next user of the device.
 *
 * @param end Frees the device, where no other `Gpu` uses it.
 * @throws {RangeError} A limit is not a whole number above 0.
 */
export function useGpu(
  { device, info, kernels }: OpenedGpu,
  options: DeviceOptions,
  end: () => void = () => {},
): Gpu {
  const limits: Device["limits"] = {
    maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
    maxBufferSize: device.limits.maxBufferSize,
    maxComputeWorkgroupsPerDimension: device.limits.maxComputeWorkgroupsPerDimension,
  };
  for (const [key, wanted] of Object.entries(options.limits ?? {})) {
    const name = key as keyof Device["limits"];
    checkWhole(wanted, `limits.${name}`);
    limits[name] = Math.min(limits[name], wanted);
  }
  let allocated = 0;
  let failure: DeviceError | undefined;
  let disposed = false;
  const alive = new AbortController();
  device.addEventListener("uncapturederror", (event) => {
    // Without this Deno prints the error and continues with meaningless results.
    event.preventDefault();
    failure ??= new DeviceError((event as GPUUncapturedErrorEvent).error.message);
  }, { signal: alive.signal });
  device.lost.then((info) => {
    // It takes precedence over reported errors, which usually follow from it.
    if (!disposed) failure = new DeviceLostError(`the GPU device was lost: ${info.message}`);
  });
  const memoryLimit = options.memoryLimit ?? Infinity;
  return {
    kind: "gpu",
    device,
    ...describeAdapter(info),
    limits,
    features: new Set(device.features),
    memoryLimit,
    get allocated() {
      return allocated;
    },
    kernels,
    screening: options.screening,
    denseStep: options.denseStep === false
      ? "never"
      : options.denseStep === true
      ? "always"
      : "measured",
    account(bytes, what) {
      if (bytes > 0 && allocated + bytes > memoryLimit) {
        throw new DeviceError(
          `${what} needs ${formatBytes(bytes)} of GPU memory; ${formatBytes(allocated)} of the ` +
            `${formatBytes(memoryLimit)} allowed are in use`,
        );
      }
      allocated += bytes;
    },
    check() {
      if (disposed) throw new DeviceError("the GPU was used after it was disposed of");
      if (failure) throw failure;
    },
    [Symbol.dispose]() {
      disposed = true;
      alive.abort();
      end();
    },
  };
}

/**
 * Calls on a lost device fail as invalid, and the loss is reported in the next turn of the event loop.
 * Await this before throwing an error that a lost device may have caused.
 *
 * @throws {DeviceError} The device is lost, or reported an error before.
 */
export async function throwIfLost(gpu: Gpu): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  gpu.check();
}

/** Whether there is a hardware adapter. */
export async function hasHardwareGpu(): Promise<boolean> {
  const adapter = await findAdapter({ powerPreference: "high-performance" });
  return adapter !== null && !describeAdapter(adapter.info).software;
}

async function requestAdapter(kind: "hardware" | "software"): Promise<GPUAdapter> {
  if (!globalThis.navigator?.gpu) {
    throw new DeviceError("this runtime has no WebGPU (navigator.gpu is missing)");
  }
  const adapter = await findAdapter(
    kind === "software" ? { forceFallbackAdapter: true } : { powerPreference: "high-performance" },
  );
  if (!adapter) throw new DeviceError(NO_ADAPTER);
  const { name, software } = describeAdapter(adapter.info);
  if (kind === "hardware" && software) {
    throw new DeviceError(
      `the only WebGPU adapter is a software one (${name}), expected a hardware one`,
    );
  }
  return adapter;
}

async function findAdapter(options: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  const gpu = globalThis.navigator?.gpu;
  return gpu ? await withRuntimeFolder(() => gpu.requestAdapter(options)) : null;
}

/**
 * Calls with XDG_RUNTIME_DIR set where Linux has none, as in containers: without it Mesa's Vulkan driver
 * prints errors when it looks for a display. The path does not exist, only root could create it, and the
 * variable is removed afterwards. Without permission to set it (--allow-env=XDG_RUNTIME_DIR) it is not
 * set, without a prompt.
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
  const shown = (["shader-f16"] as GPUFeatureName[]).filter((name) => adapter.features.has(name));
  // Deno does not list some features that requestDevice grants: request them, and fall back.
  const optional = ["subgroups", "timestamp-query"];
  for (let count = optional.length; count > 0; count--) {
    try {
      return await adapter.requestDevice({
        requiredLimits,
        requiredFeatures: [...shown, ...optional.slice(0, count)] as GPUFeatureName[],
      });
    } catch {
      // The next attempt requests fewer features.
    }
  }
  return await adapter.requestDevice({
    requiredLimits,
    requiredFeatures: shown,
  });
}
