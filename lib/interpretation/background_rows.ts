import type { SparseMatrix } from "../matrix.ts";
import type { CollectorState } from "./collector_state.ts";
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
  /** All that is held, as arrays. */
  save(): CollectorState;
  /** Adds what others of the same options have saved, which saw other rows. */
  join(state: CollectorState): void;
}

interface HeldRow {
  hash: number;
  row: number;
  /** Latents that are active at each measured position; undefined where the activation was massive. */
  active: (Uint32Array | undefined)[];
  /** Number of entries in `active`. */
  size: number;
}

/** Stands for the size of a position whose activation was massive. */
const MASSIVE = 2 ** 32 - 1;

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
  const isWanted = (hash: number): boolean =>
    hash < limit && (held.length < most || hash < held[most - 1].hash);
  const hold = (row: number, active: HeldRow["active"]): void => {
    const size = active.reduce((sum, latents) => sum + (latents?.length ?? 0), 0);
    held.push({ hash: hashOf(row, 1, 0), row, active, size });
    held.sort((a, b) => a.hash - b.hash || a.row - b.row);
    entries += size;
    while (held.length > most || entries > mostEntries) {
      const last = held.pop()!;
      entries -= last.size;
      limit = last.hash;
    }
  };
  return {
    add(row, codes, from, positions) {
      if (!isWanted(hashOf(row, 1, 0))) return;
      const active: HeldRow["active"] = new Array(length).fill(undefined);
      for (let s = 0; s < positions.length; s++) {
        const [first, end] = [codes.rowOffsets[from + s], codes.rowOffsets[from + s + 1]];
        active[positions[s]] = codes.latents.slice(first, end);
      }
      hold(row, active);
    },
    save() {
      const all = held.flatMap(({ active }) => active);
      const size = all.reduce((sum, latents) => sum + (latents?.length ?? 0), 0);
      const latents = new Uint32Array(size);
      let to = 0;
      for (const own of all) {
        if (!own) continue;
        latents.set(own, to);
        to += own.length;
      }
      return {
        limit: Float64Array.of(limit),
        rows: Uint32Array.from(held, ({ row }) => row),
        sizes: Uint32Array.from(all, (own) => own?.length ?? MASSIVE),
        latents,
      };
    },
    join({ limit: other, rows, sizes, latents }) {
      limit = Math.min(limit, other[0]);
      while (held.length > 0 && held.at(-1)!.hash >= limit) entries -= held.pop()!.size;
      let from = 0;
      for (let r = 0; r < rows.length; r++) {
        const active: HeldRow["active"] = new Array(length).fill(undefined);
        for (let position = 0; position < length; position++) {
          const size = sizes[r * length + position];
          if (size === MASSIVE) continue;
          active[position] = (latents as Uint32Array).slice(from, from += size);
        }
        if (isWanted(hashOf(rows[r], 1, 0))) hold(rows[r], active);
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
