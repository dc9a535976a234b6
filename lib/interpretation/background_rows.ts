import type { SparseMatrix } from "../matrix.ts";
import { hashOf } from "./hash.ts";
import type { LatentContext } from "./latent_contexts.ts";

/** Whole rows with their codes, in which windows are found where a latent is inactive. */
export interface BackgroundRows {
  /** Takes the codes of one token row; arguments as `ContextCollector.add` has them. */
  add(row: number, codes: SparseMatrix, from: number, positions: ArrayLike<number>): void;
  /**
   * Windows without activation of a latent, at most one per row; fewer where the latent is active nearly
   * everywhere. The same latent always gets the same ones.
   */
  inactive(latent: number, count: number): LatentContext[];
}

interface HeldRow {
  hash: number;
  row: number;
  /** Latents that are active at each measured position; undefined where the activation was massive. */
  active: (Uint32Array | undefined)[];
  /** Number of entries in `active`. */
  size: number;
}

/** Entries held at most, 4 bytes each: 200 rows of 128 samples with 160 active latents. */
const MOST_ENTRIES = 2 ** 22;

/**
 * Holds the `most` rows with the smallest hashes, fewer where so many latents are active that they would take more
 * than `mostEntries`: which ones does not depend on their order.
 *
 * @param length Measured positions of a row.
 * @param window Positions around a place.
 */
export function collectBackground(
  length: number,
  window: { before: number; after: number },
  most = 200,
  mostEntries = MOST_ENTRIES,
): BackgroundRows {
  const held: HeldRow[] = [];
  let entries = 0;
  // Rows from this hash on are too many.
  let limit = 2 ** 32;
  return {
    add(row, codes, from, positions) {
      const hash = hashOf(row, 1, 0);
      if (hash >= limit || (held.length === most && hash >= held[most - 1].hash)) return;
      const active: HeldRow["active"] = new Array(length).fill(undefined);
      for (let s = 0; s < positions.length; s++) {
        const [first, end] = [codes.rowOffsets[from + s], codes.rowOffsets[from + s + 1]];
        active[positions[s]] = codes.latents.slice(first, end);
      }
      const size = active.reduce((sum, latents) => sum + (latents?.length ?? 0), 0);
      held.push({ hash, row, active, size });
      held.sort((a, b) => a.hash - b.hash || a.row - b.row);
      entries += size;
      while (held.length > most || entries > mostEntries) {
        const last = held.pop()!;
        entries -= last.size;
        limit = last.hash;
      }
    },
    inactive(latent, count) {
      const found: LatentContext[] = [];
      const size = Math.min(length, window.before + window.after + 1);
      for (let i = 0; i < held.length && found.length < count; i++) {
        const { row, active } = held[(hashOf(latent, 2, 0) + i) % held.length];
        const start = hashOf(latent, row, 3) % (length - size + 1);
        const own = active.slice(start, start + size);
        if (own.some((latents) => latents === undefined || latents.includes(latent))) continue;
        const peak = Math.min(size - 1, window.before);
        found.push({ row, start, peak, value: 0, activations: new Float32Array(size) });
      }
      return found;
    },
  };
}
