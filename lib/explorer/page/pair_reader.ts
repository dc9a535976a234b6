import type { PairData } from "../pair_data.ts";
import {
  EFFECT,
  type EffectRow,
  GROUP,
  type GroupRow,
  MISSING,
  type MissingRow,
  type RowLayout,
  STEP,
  type StepRow,
} from "../pair_rows.ts";

/** Places of points, 16 bits each. */
export type Places = Uint16Array;

/** A group and some of its latents. */
export interface ReadGroup extends GroupRow {
  /** Its place among the groups. */
  number: number;
  /** The first latents of each SAE. */
  members: { small: number[]; large: number[] };
}

/** The files of a pair. Numbers of latents, groups and steps are places in them. */
export interface PairReader {
  /** What it holds. */
  data: PairData;
  /** Places of the large SAE's latents in Fig. 4. */
  effectPlaces(): Promise<[x: Places, y: Places]>;
  /** What is known of a latent of the large SAE. */
  effect(latent: number): Promise<EffectRow>;
  /** Places of the path's steps in Fig. 5. */
  pathPlaces(): Promise<[x: Places, mse: Places, l0: Places]>;
  /** The group of a latent of the small SAE; NONE where it has none. */
  groupOfSmall(latent: number): Promise<number>;
  /** A step of the path. */
  step(step: number): Promise<StepRow>;
  /**
   * Groups one after the other.
   *
   * @param most Most latents of each SAE that are read of a group.
   */
  groups(first: number, count: number, most?: number): Promise<ReadGroup[]>;
  /** Novel latents one after the other. */
  missing(first: number, count: number): Promise<MissingRow[]>;
}

type Read = (name: string, from?: number, to?: number) => Promise<Uint8Array<ArrayBuffer>>;

/** Members of a page of groups that are read at once: 80 kB. */
const AT_ONCE = 20_000;

/**
 * Opens the files of a pair.
 *
 * @param read Gives a file, or its bytes from `from` to `to` − 1.
 */
export async function openPair(read: Read): Promise<PairReader> {
  const data: PairData = JSON.parse(new TextDecoder().decode(await read("pair.json")));
  const { effects: { latents }, path: { steps } } = data;
  const count = data.kinds.reduce((sum, kind) => sum + kind.count, 0);
  const part = async (name: string, from: number, length: number) => {
    const bytes = await read(name, from, from + length);
    if (bytes.length !== length) {
      throw new Error(`${name} has ${bytes.length} bytes from byte ${from} on, expected ${length}`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  };
  const places = async (name: string, series: number, length: number): Promise<Places[]> => {
    const view = await part(name, 0, 2 * series * length);
    return Array.from(
      { length: series },
      (_, s) => Uint16Array.from({ length }, (_, i) => view.getUint16(2 * (s * length + i), true)),
    );
  };
  // deno-lint-ignore no-explicit-any
  const rows = async <L extends RowLayout<any>>(
    name: string,
    layout: L,
    start: number,
    first: number,
    number: number,
    all: number,
  ): Promise<ReturnType<L["unpack"]>> => {
    if (!(first >= 0 && number >= 0 && first + number <= all)) {
      throw new RangeError(`row ${first + number - 1} of ${name} is asked for, it has ${all}`);
    }
    const view = await part(name, start + first * layout.bytes, number * layout.bytes);
    return layout.unpack(view) as ReturnType<L["unpack"]>;
  };
  const members = async (from: number, length: number): Promise<number[]> => {
    if (length === 0) return [];
    const view = await part("groups.bin", GROUP.bytes * count + 4 * from, 4 * length);
    return Array.from({ length }, (_, i) => view.getUint32(4 * i, true));
  };
  return {
    data,
    effectPlaces: () => places("effects.bin", 2, latents) as Promise<[Places, Places]>,
    effect: async (latent) =>
      (await rows("effects.bin", EFFECT, 4 * latents, latent, 1, latents))[0],
    pathPlaces: () => places("path.bin", 3, steps) as Promise<[Places, Places, Places]>,
    async groupOfSmall(latent) {
      const all = data.saes[0].dictSize;
      if (!(latent >= 0 && latent < all)) {
        throw new RangeError(`latent is ${latent}, expected one below ${all}`);
      }
      return (await part("groups_of_small.bin", 4 * latent, 4)).getUint32(0, true);
    },
    step: async (step) => (await rows("path.bin", STEP, 6 * steps, step, 1, steps))[0],
    async groups(first, number, most = Infinity) {
      const found = await rows("groups.bin", GROUP, 0, first, number, count);
      const total = found.reduce((sum, { small, large }) => sum + small + large, 0);
      const whole = total <= AT_ONCE && found.length > 0
        ? await members(found[0].first, total)
        : undefined;
      const take = async (from: number, length: number) =>
        whole
          ? whole.slice(from - found[0].first, from - found[0].first + length)
          : await members(from, length);
      return await Promise.all(found.map(async (group, i) => ({
        ...{ ...group, number: first + i },
        members: {
          small: await take(group.first, Math.min(most, group.small)),
          large: await take(group.first + group.small, Math.min(most, group.large)),
        },
      })));
    },
    missing: (first, number) => rows("missing.bin", MISSING, 0, first, number, data.missing),
  };
}
