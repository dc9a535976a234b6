import type { DeviceBuffer } from "../device/buffer.ts";

/** Decoder rows that a device holds already. */
export interface UploadedRows {
  /** [m, d] the rows, in memory. */
  rows: Float32Array;
  /** The same on the device, in shards of whole rows. */
  shards: readonly { wDec: DeviceBuffer }[];
}

/** Entries that each row visits, in order. */
export interface Walk {
  /** Number of rows. */
  rows: number;
  /** [rows, d] the residual that each row's walk begins with. */
  base: Float32Array;
  /** [rows + 1] offsets into the entries. */
  rowOffsets: Uint32Array;
  /** Decoder row of each entry, counted through both decoders of the walker. */
  latents: Uint32Array;
  /** How much of its decoder row each entry takes away from the residual. */
  values: Float32Array;
  /** 1 where an entry meets the row's base again, not what the entries before it left. */
  restart?: Uint8Array;
}

/** Results of a walk. */
export interface Walked {
  /** r · w of each entry: r the residual before the entry, w its decoder row. */
  dots: Float32Array;
  /** [rows, d] the base's residual after the walk; only on request. */
  residual?: Float32Array;
}

/** Walks rows through sparse entries. Owns its buffers. */
export interface Walker {
  /**
   * Takes entry after entry away from each row's residual r: r ← r − values[j] · w. ‖r‖² changes by
   * −2 · values[j] · dots[j] + values[j]² ‖w‖².
   */
  run(walk: Walk, options?: { residual?: boolean }): Promise<Walked>;
  /** Frees the walker's buffers. */
  [Symbol.dispose](): void;
}
