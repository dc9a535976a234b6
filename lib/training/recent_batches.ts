import type { Matrix } from "../matrix.ts";

/** The last batches of a stream, copied: what the inference threshold is measured on. */
export interface RecentBatches {
  /** Keeps a copy of a batch; the oldest ones make room. */
  add(batch: Matrix): void;
  /**
   * The last `count` batches or as many as are kept, oldest first.
   *
   * @param without How many of the newest to leave out (default 0).
   */
  last(count: number, without?: number): Matrix[];
}

// 256 MiB are 20 batches of 4096 samples at d = 768. L0 at the threshold of one such batch is within
// 1 % of k, so more of them add little.
const MAX_BYTES = 2 ** 28;

/** Keeps the last `count` batches; fewer, but at least one, where they take more than `maxBytes`. */
export function createRecentBatches(count: number, maxBytes: number = MAX_BYTES): RecentBatches {
  const kept: Matrix[] = [];
  let bytes = 0;
  return {
    add({ data, rows, cols }) {
      if (count === 0) return;
      let freed: Float32Array | undefined;
      while (kept.length > 0 && (kept.length >= count || bytes + data.byteLength > maxBytes)) {
        freed = kept.shift()!.data;
        bytes -= freed.byteLength;
      }
      // The system clears the pages of a new buffer one by one: 5 ms for 12 MiB, filling it takes 2 ms.
      const copy = freed?.length === data.length ? freed : new Float32Array(data.length);
      copy.set(data);
      kept.push({ data: copy, rows, cols });
      bytes += data.byteLength;
    },
    last(count, without = 0) {
      const end = Math.max(0, kept.length - without);
      return kept.slice(Math.max(0, end - count), end);
    },
  };
}
