import { openCpu } from "./cpu.ts";
import { DeviceError } from "./errors.ts";
import { hasHardwareGpu, openGpu } from "./gpu.ts";

/**
 * An open device: WebGPU's, or the processor itself; the same programs run on both. Owns memory:
 * dispose of it.
 */
export interface Device {
  /** The kind of the device. */
  readonly kind: "gpu" | "cpu";
  /** The adapter's or the processor's name. */
  readonly name: string;
  /** Whether the work is done by the processor: the CPU device, or a software adapter (llvmpipe, WARP). */
  readonly software: boolean;
  /**
   * The limits that work is split by: the device's, or smaller ones from the options. Every kernel
   * works within WebGPU's defaults.
   */
  readonly limits: {
    /** Largest range of a buffer that one kernel can see, in bytes (WebGPU default: 128 MiB). */
    maxStorageBufferBindingSize: number;
    /** Largest buffer, in bytes (WebGPU default: 256 MiB). */
    maxBufferSize: number;
    /** Largest number of workgroups in one dimension of a dispatch (WebGPU default: 65,535). */
    maxComputeWorkgroupsPerDimension: number;
  };
  /** Most bytes that all buffers together may take. */
  readonly memoryLimit: number;
  /** Bytes in buffers that are alive. */
  readonly allocated: number;
  /** Counts bytes before they are allocated (negative: freed); throws where the limit is passed. */
  account(bytes: number, what: string): void;
  /** Throws the first error that the device reported outside of a call, if there was one. */
  check(): void;
  /** Frees the device and everything on it. */
  [Symbol.dispose](): void;
}

/** Options of {@linkcode openDevice}. */
export interface DeviceOptions {
  /**
   * Which device: "gpu" (a hardware adapter; an error where there is none), "cpu" (the processor's
   * own loops), "software" (the GPU's kernels on a software adapter, for tests), or "auto", which
   * takes a hardware GPU before the CPU (the default).
   */
  device?: "auto" | "gpu" | "cpu" | "software";
  /** Smaller limits than the device's, to try how work is split. */
  limits?: Partial<Device["limits"]>;
  /** Most bytes that all buffers together may take (default: no limit but the device's own). */
  memoryLimit?: number;
  /**
   * GPU: what selections are screened with, for tests (default: what a short measurement finds to be the
   * fastest of those that the device has). Results do not depend on it.
   */
  screening?: "int8" | "float16" | "float32";
  /** CPU: number of workers, 0 for the calling thread alone (default: one per core). */
  workers?: number;
  /** CPU: whether the hot loops run as WebAssembly SIMD where they can (default); the bits are the same. */
  simd?: boolean;
  /**
   * CPU: address of a module whose `createIntegerProduct` multiplies 8-bit matrices, for the screening
   * of selections (default: ONNX Runtime's in Deno, our own elsewhere); false for our own.
   */
  integerProduct?: string | false;
  /**
   * ReLU and JumpReLU train by dense products while many latents are active (default); false for never: the
   * bits of the CPU are the same on every machine then. CPU: address of a module whose `createDenseStep`
   * makes them (default: ONNX Runtime's in Deno). GPU: true for every step, for tests.
   */
  denseStep?: string | boolean;
}

/**
 * Opens a device: a hardware GPU where there is one, else the CPU.
 *
 * @returns The open device; dispose of it with `using`.
 * @throws {DeviceError} The requested device is not available: the message says what to install.
 * @throws {RangeError} An option is out of range.
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  const wanted = options.device ?? "auto";
  if (wanted === "gpu") return await openGpu("hardware", options);
  if (wanted === "software") return await openGpu("software", options);
  if (wanted === "cpu") return await openCpu(options);
  if (wanted !== "auto") {
    throw new DeviceError(
      `the device is ${JSON.stringify(wanted)}, expected "auto", "gpu", "cpu" or "software"`,
    );
  }
  return await hasHardwareGpu() ? await openGpu("hardware", options) : await openCpu(options);
}
