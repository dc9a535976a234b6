import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { splitRows } from "./weights.ts";

/** Pre-activations after ReLU of a batch, in blocks of rows that can be bound: z is [rows, m]. */
export interface PreActivations {
  /** Number of latents m. */
  cols: number;
  /** The blocks, in order of row. */
  blocks: { first: number; rows: number; z: DeviceBuffer }[];
}

/** Allocates the pre-activations of `rows` samples. */
export function createPreActivations(
  device: Device,
  buffers: BufferSet,
  rows: number,
  cols: number,
): PreActivations {
  return {
    cols,
    blocks: splitRows(device, rows, cols).map((block) => ({
      ...block,
      z: buffers.zeros("pre-activations", block.rows * cols),
    })),
  };
}
