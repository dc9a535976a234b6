import { createRandom } from "../random.ts";
import { blockChecksum } from "./read_block.ts";
import { rowBytes, type StoreHeader } from "./store_header.ts";
import { createStoredRows } from "./stored_numbers.ts";

/** A shard that is being filled. */
export interface Shard {
  /** Rows so far. */
  rows(): number;
  /** Adds a row, which is copied. */
  add(row: Float32Array): void;
  /** Its bytes, and the checksums of its blocks. */
  take(): { bytes: Uint8Array; crc32: string };
}

/** The rows of a shard, shuffled as they come: row i changes places with one of rows 0 … i. */
export function createShard(header: StoreHeader, seed: number): Shard {
  const { dModel: d, rowsPerShard, blockRows } = header;
  const random = createRandom(seed);
  const stored = createStoredRows(header.dtype, rowsPerShard, d);
  let filled = 0;
  return {
    rows: () => filled,
    add(row) {
      const place = random.below(filled + 1);
      if (place < filled) stored.move(place, filled);
      stored.set(place, row);
      filled++;
    },
    take() {
      const bytes = stored.bytes(filled);
      const blockBytes = blockRows * rowBytes(header);
      let digits = "";
      for (let at = 0; at < bytes.length; at += blockBytes) {
        digits += blockChecksum(bytes.subarray(at, at + blockBytes));
      }
      return { bytes, crc32: digits };
    },
  };
}
