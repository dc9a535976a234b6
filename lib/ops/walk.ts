import type { DeviceBuffer } from "../device/buffer.ts";

/** Decoder rows that are on a device already. */
export interface UploadedRows {
  /** [m, d] the rows, in memory. */
  rows: Float32Array;
  /** The same on the device, in shards of whole rows. */
  shards: readonly { wDec: DeviceBuffer }[];
}

/** Entries of rows, in the order in which they are processed. */
export interface Walk {
  /** Number of rows. */
  rows: number;
  /** [rows, d] the residual with which each row begins. */
  base: Float32Array;
  /** [rows + 1] offsets into the entries. */
  rowOffsets: Uint32Array;
  /** Decoder row of each entry, counted through both decoders of the walker. */
  latents: Uint32Array;
  /** Factor of the decoder row that each entry subtracts from the residual. */
  values: Float32Array;
  /** 1 if an entry starts from the row's base again, not from the residual of the entries before it. */
  restart?: Uint8Array;
}

/** Results of a walk. */
export interface Walked {
  /** r · w of each entry: r the residual before the entry, w its decoder row. */
  dots: Float32Array;
  /** [rows, d] the base's residual after the walk; only on request. */
  residual?: Float32Array;
}

/** Processes the sparse entries of rows in order. Owns its buffers. */
export interface Walker {
  /**
   * Subtracts entry after entry from each row's residual r: r ← r − values[j] · w. ‖r‖² changes by
   * −2 · values[j] · dots[j] + values[j]² ‖w‖².
   */
  run(walk: Walk, options?: { residual?: boolean }): Promise<Walked>;
  /** Frees the walker's buffers. */
  [Symbol.dispose](): void;
}
