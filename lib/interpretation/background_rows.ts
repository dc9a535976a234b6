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
}

/**
 * Holds the `most` rows with the smallest hashes: which ones depends on nothing but their numbers.
 *
 * @param length Measured positions of a row.
 * @param window Positions around a place.
 */
export function collectBackground(
  length: number,
  window: { before: number; after: number },
  most = 200,
): BackgroundRows {
  let held: HeldRow[] = [];
  return {
    add(row, codes, from, positions) {
      const hash = hashOf(row, 1, 0);
      if (held.length === most && hash >= held[most - 1].hash) return;
      const active: HeldRow["active"] = new Array(length).fill(undefined);
      for (let s = 0; s < positions.length; s++) {
        const [first, end] = [codes.rowOffsets[from + s], codes.rowOffsets[from + s + 1]];
        active[positions[s]] = codes.latents.slice(first, end);
      }
      held.push({ hash, row, active });
      held = held.sort((a, b) => a.hash - b.hash || a.row - b.row).slice(0, most);
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
