import type { DeviceBuffer } from "../device/buffer.ts";

/** Buffers of a ReLU or JumpReLU step by dense products on the CPU. */
export interface CpuDenseBuffers {
  /** {1 if the step uses dense products, scratch}. */
  flag: DeviceBuffer;
  /** Gradients per share of the samples, [parts, m, d]. */
  encoder: DeviceBuffer;
  decoder: DeviceBuffer;
  /** Number of shares. */
  parts: number;
}

/** Buffers of a ReLU or JumpReLU step by dense products on a GPU. */
export interface GpuDenseBuffers {
  /** [n, m] pre-activations, later activations. */
  z: DeviceBuffer;
  /** [n, m] JumpReLU's activations, later gradients. */
  g: DeviceBuffer;
  /** [⌈n / 64⌉, m, 4] sums over 64 samples each. */
  sums: DeviceBuffer;
  /** Gradients of each shard's rows, [latents, d]. */
  gradients: { encoder: DeviceBuffer; decoder: DeviceBuffer }[];
}
