import type { DashboardRecord } from "./dashboard_record.ts";
import { isWhole } from "../whole_number.ts";

/** The latents of a meta-latent. */
export interface MetaLatentLatents {
  /** Number of latents. */
  total: number;
  /** The latents that were read, with the meta-latent's weight in each, the largest first. */
  latents: [latent: number, weight: number][];
}

/**
 * Collects the latents of each meta-latent for `meta.bin`. The file begins with n + 1 offsets (32-bit
 * little-endian), in entries. The entries follow, each a latent (uint32) and its weight (float32), those of
 * a meta-latent by descending weight. A page reads two offsets, then the entries between them.
 */
export function collectMetaLatents(): {
  add(record: DashboardRecord): void;
  /** One more than the highest meta-latent index. */
  count(): number;
  bytes(): Uint8Array<ArrayBuffer>;
} {
  const found: [latent: number, weight: number][][] = [];
  return {
    add({ latent, metaLatents }) {
      for (const [meta, weight] of metaLatents) (found[meta] ??= []).push([latent, weight]);
    },
    count: () => found.length,
    bytes() {
      const all = Array.from(found, (entries) => entries ?? []);
      const entries = all.reduce((sum, { length }) => sum + length, 0);
      const view = new DataView(new ArrayBuffer(4 * (all.length + 1) + 8 * entries));
      let before = 0;
      all.forEach((own, meta) => {
        own.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
        own.forEach(([latent, weight], i) => {
          const at = 4 * (all.length + 1) + 8 * (before + i);
          view.setUint32(at, latent, true);
          view.setFloat32(at + 4, weight, true);
        });
        before += own.length;
        view.setUint32(4 * (meta + 1), before, true);
      });
      return new Uint8Array(view.buffer);
    },
  };
}

/**
 * Reads the latents of a meta-latent.
 *
 * @param part Reads `length` bytes of `meta.bin` from byte `from` on.
 * @param count Number of meta-latents.
 * @param most Largest number of latents, those with the largest weights.
 * @throws {RangeError} There is no such meta-latent.
 */
export async function readMetaLatent(
  part: (from: number, length: number) => Promise<DataView<ArrayBuffer>>,
  meta: number,
  count: number,
  most: number,
): Promise<MetaLatentLatents> {
  if (!isWhole(meta, 0, count - 1)) {
    throw new RangeError(`meta-latent is ${meta}, expected a whole number below ${count}`);
  }
  const offsets = await part(4 * meta, 8);
  const [from, to] = [offsets.getUint32(0, true), offsets.getUint32(4, true)];
  const [total, length] = [to - from, Math.min(most, to - from)];
  if (!(length > 0)) return { total, latents: [] };
  const entries = await part(4 * (count + 1) + 8 * from, 8 * length);
  const latents = Array.from({ length }, (_, i): [number, number] => [
    entries.getUint32(8 * i, true),
    entries.getFloat32(8 * i + 4, true),
  ]);
  return { total, latents };
}
