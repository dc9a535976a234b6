import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";

/** Latent activations on a device as compressed sparse rows (CSR); see `SparseMatrix`. */
export interface SparseRows {
  /** Number of rows. */
  rows: number;
  /** Largest number of entries. */
  capacity: number;
  /** [rows + 1] offsets into the entries; the first is 0. */
  offsets: DeviceBuffer;
  /** Latent of each entry, ascending within a row. */
  latents: DeviceBuffer;
  /** Activation of each entry. */
  values: DeviceBuffer;
  /** Scratch: number of entries of each row. */
  kept: DeviceBuffer;
}

/** Allocates sparse rows. */
export function createSparseRows(buffers: BufferSet, rows: number, capacity: number): SparseRows {
  return {
    rows,
    capacity,
    offsets: buffers.zeros("row offsets", rows + 1),
    latents: buffers.zeros("entry latents", capacity),
    values: buffers.zeros("entry values", capacity),
    kept: buffers.zeros("entries per row", rows),
  };
}
