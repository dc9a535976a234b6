/**
 * An open device: a GPU through WebGPU, or the CPU; the same programs run on both. It owns memory and
 * must be disposed of.
 */
export interface Device {
  /** The kind of the device. */
  readonly kind: "gpu" | "cpu";
  /** The adapter's or the processor's name. */
  readonly name: string;
  /** Whether the CPU does the work: the CPU device, or a software adapter (llvmpipe, WARP). */
  readonly software: boolean;
  /**
   * The limits by which work is split: the device's, or smaller ones of the options. Every kernel runs
   * within WebGPU's defaults.
   */
  readonly limits: {
    /** Largest range of a buffer that one kernel can see, in bytes (WebGPU default: 128 MiB). */
    maxStorageBufferBindingSize: number;
    /** Largest buffer, in bytes (WebGPU default: 256 MiB). */
    maxBufferSize: number;
    /** Largest number of workgroups in one dimension of a dispatch (WebGPU default: 65,535). */
    maxComputeWorkgroupsPerDimension: number;
  };
  /** Largest number of bytes of all buffers together. */
  readonly memoryLimit: number;
  /** Bytes of the buffers that are not freed. */
  readonly allocated: number;
  /** Counts bytes before they are allocated (negative: freed); throws where the limit is exceeded. */
  account(bytes: number, what: string): void;
  /** Throws the first error that the device reported outside a call, if any. */
  check(): void;
  /** Frees the device and everything on it. */
  [Symbol.dispose](): void;
}

/** Options of `openDevice`. */
export interface DeviceOptions {
  /**
   * Which device: "gpu" (a hardware adapter; an error where there is none), "cpu", "software" (the
   * GPU's kernels on a software adapter, for tests), or "auto" (default: a hardware GPU where there is
   * one, else the CPU).
   */
  device?: "auto" | "gpu" | "cpu" | "software";
  /** Smaller limits than the device's, for tests of how work is split. */
  limits?: Partial<Device["limits"]>;
  /** Largest number of bytes of all buffers together (default: the device's own limit). */
  memoryLimit?: number;
  /**
   * GPU: number format of screening, for tests (default: the fastest on this device, by a short
   * measurement). Results do not depend on it.
   */
  screening?: "int8" | "float16" | "float32";
  /** CPU: number of workers, 0 for the calling thread alone (default: one per core). */
  workers?: number;
  /** CPU: whether the hot loops run as WebAssembly SIMD where they can (default); the bits are the same. */
  simd?: boolean;
  /**
   * CPU: URL of a module whose `createIntegerProduct` multiplies 8-bit matrices, for screening
   * (default: ONNX Runtime's product in Deno, a plain loop elsewhere); false for the plain loop.
   */
  integerProduct?: string | false;
  /**
   * ReLU and JumpReLU train by dense products while many latents are active (default). With false they
   * never do, and the CPU device gives the same bits on every machine. CPU: URL of a module whose
   * `createDenseStep` computes the products (default: ONNX Runtime's in Deno). GPU: true for every step,
   * for tests.
   */
  denseStep?: string | boolean;
}
