// Binary layout of a pair's files, shared by the site's builder and its page. Numbers are little-endian; files
// of rows are read by ranges.

/** An index that means "none". */
export const NONE = 0xffffffff;

type Kind = "u32" | "f32";
type Columns = readonly (readonly [name: string, kind: Kind])[];
type Row<C extends Columns> = Record<C[number][0], number>;

/** Rows of numbers of 4 bytes. */
export interface RowLayout<C extends Columns> {
  /** Bytes per row. */
  bytes: number;
  /** The rows as bytes. */
  pack(rows: readonly Row<C>[]): Uint8Array<ArrayBuffer>;
  /** The rows read from bytes. */
  unpack(view: DataView): Row<C>[];
}

function layRows<const C extends Columns>(columns: C): RowLayout<C> {
  const bytes = 4 * columns.length;
  return {
    bytes,
    pack(rows) {
      const view = new DataView(new ArrayBuffer(bytes * rows.length));
      rows.forEach((row, r) =>
        columns.forEach(([name, kind], c) => {
          const [at, value] = [r * bytes + 4 * c, row[name as C[number][0]]];
          if (kind === "u32") view.setUint32(at, value, true);
          else view.setFloat32(at, value, true);
        })
      );
      return new Uint8Array(view.buffer);
    },
    unpack(view) {
      return Array.from(
        { length: Math.floor(view.byteLength / bytes) },
        (_, r) =>
          Object.fromEntries(columns.map(([name, kind], c) => {
            const at = r * bytes + 4 * c;
            return [name, kind === "u32" ? view.getUint32(at, true) : view.getFloat32(at, true)];
          })) as Row<C>,
      );
    },
  };
}

/** A latent of the large SAE: `effects.bin`, after two 16-bit coordinates of each. */
export const EFFECT = layRows(
  [
    ["nearest", "u32"],
    ["group", "u32"],
    ["cosine", "f32"],
    ["deltaMse", "f32"],
    ["deltaBias", "f32"],
    ["deltaL0", "f32"],
  ] as const,
);

/** A step of the path: `path.bin`, after three 16-bit coordinates of each (latents, MSE, L0). */
export const STEP = layRows(
  [
    // Index in PHASES.
    ["phase", "u32"],
    // A latent of the large SAE, a group, a latent of the small SAE; NONE for the start.
    ["what", "u32"],
    ["latents", "u32"],
    ["mse", "f32"],
    ["change", "f32"],
    ["l0", "f32"],
  ] as const,
);

/** The phases of a path by index. */
export const PHASES = ["start", "insert", "swap", "remove"] as const;

/** A group: `groups.bin`. Its members follow all rows: latents of the small SAE, then of the large one. */
export const GROUP = layRows(
  [
    ["first", "u32"],
    ["small", "u32"],
    ["large", "u32"],
    ["deltaMse", "f32"],
    ["deltaBias", "f32"],
    ["deltaL0", "f32"],
  ] as const,
);

/** A novel latent, and the MSE of both SAEs where it is active and where it is not: `missing.bin`. */
export const MISSING = layRows(
  [
    ["latent", "u32"],
    ["activeSamples", "u32"],
    ["smallInactive", "f32"],
    ["smallActive", "f32"],
    ["largeInactive", "f32"],
    ["largeActive", "f32"],
  ] as const,
);

/** A latent of the large SAE. */
export type EffectRow = ReturnType<typeof EFFECT.unpack>[number];
/** A step of the path. */
export type StepRow = ReturnType<typeof STEP.unpack>[number];
/** A group. */
export type GroupRow = ReturnType<typeof GROUP.unpack>[number];
/** A novel latent. */
export type MissingRow = ReturnType<typeof MISSING.unpack>[number];

/** A packed coordinate that means "not in the figure". */
export const NOWHERE = 0xffff;
/** The packed coordinate 1. */
export const WHOLE = 0xfffe;

/** Packs coordinates from 0 to 1 as 16-bit numbers: exact to a pixel, and 4 MB for a million points. */
export function packPlaces(shares: readonly (number | undefined)[]): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(
    shares,
    (value) => value === undefined ? NOWHERE : Math.round(value * WHOLE),
  );
}
