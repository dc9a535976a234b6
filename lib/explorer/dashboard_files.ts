import type { Dashboards, LatentDashboard } from "../interpretation/dashboards.ts";
import type { Progress } from "../progress.ts";
import { type DashboardExtras, type DashboardRecord, dashboardRecord } from "./dashboard_record.ts";
import { gunzip, gzip } from "./gzip.ts";
import { collectMetaLatents, type MetaLatentLatents, readMetaLatent } from "./meta_index.ts";
import { collectSearch, type MetaLabel, readSearch, type SearchIndex } from "./search_index.ts";
import { isWhole } from "../whole_number.ts";

/** Name of the file that describes the others. */
export const DASHBOARD_FILE = "dashboard.json";

/** Description of the SAE, the model and the texts. Plain JSON. */
export interface DashboardAbout {
  /** The SAE: architecture, widths, origin. */
  sae: Record<string, unknown>;
  /** The model and its hook. */
  model: Record<string, unknown>;
  /** The texts. */
  texts: Record<string, unknown>;
}

/** Content of `dashboard.json`. */
export interface DashboardManifest extends DashboardAbout {
  /** "saewing dashboards 2". */
  format: string;
  /** Number of samples, massive ones excluded. */
  samples: number;
  /** Number of samples of the correlations. */
  correlated: number;
  /** Number of token rows. */
  rows: number;
  /** Tokens per row. */
  contextLength: number;
  /** Number of latents with a dashboard. */
  latents: number;
  /** Files of records; `index.bin` has the position of each record. */
  shards: { name: string; bytes: number }[];
  /** Columns of `latents.bin`, one after another, each of `latents` little-endian 4-byte numbers. */
  columns: { name: string; type: "f32" | "u32" }[];
  /** Number of meta-latents in `meta.bin`; 0 without a meta-SAE. */
  metaLatents: number;
}

/** A file of the folder. */
export interface DashboardFile {
  /** Its name. */
  name: string;
  /** Its content. */
  bytes: Uint8Array<ArrayBuffer>;
}

const FORMAT = "saewing dashboards 2";
const MOST_SHARD_BYTES = 32 * 2 ** 20;
/** Largest number of characters of a record; 60 contexts with the default window have some 20,000. */
const MOST_RECORD = 2 ** 24;
/** Number of records that are compressed concurrently. */
const AT_ONCE = 64;

const COLUMNS: [name: string, type: "f32" | "u32", of: (record: DashboardRecord) => number][] = [
  ["latent", "u32", ({ latent }) => latent],
  ["density", "f32", ({ density }) => density],
  ["max", "f32", ({ max }) => max],
  ["mean", "f32", ({ mean }) => mean],
  ["nearest", "u32", ({ nearest }) => nearest[0]?.[0] ?? 0],
  ["cosine", "f32", ({ nearest }) => nearest[0]?.[1] ?? 0],
];

/**
 * The files of a folder of dashboards, which a page reads by ranges:
 * - `latents.bin`: columns of numbers of all latents, for tables and maps;
 * - `shard-000.bin` …: concatenated records, each JSON compressed by gzip;
 * - `index.bin`: shard, first byte and length of each record, three little-endian 32-bit numbers;
 * - `search.bin`: tokens and labels of all latents, JSON compressed by gzip ({@linkcode SearchIndex});
 * - `meta.bin`: the latents of each meta-latent, if there is a meta-SAE;
 * - `dashboard.json`: description of the folder. It comes last: a folder without it is not finished.
 *
 * @param extras Returns additions to a latent's record.
 */
export async function* dashboardFiles(
  dashboards: Dashboards,
  about: DashboardAbout,
  extras: (dashboard: LatentDashboard) => DashboardExtras = () => ({}),
  { signal, onProgress, metaLabels, shardBytes = MOST_SHARD_BYTES }: {
    /** Labels of meta-latents by index. */
    metaLabels?: ReadonlyMap<number, MetaLabel>;
    /** Largest size in bytes of a shard with more than one record (default 32 MiB). */
    shardBytes?: number;
    signal?: AbortSignal;
    onProgress?: (progress: Progress) => void;
  } = {},
): AsyncGenerator<DashboardFile> {
  const { latents } = dashboards;
  const index = new DataView(new ArrayBuffer(latents.length * 12));
  const columns = new DataView(new ArrayBuffer(latents.length * 4 * COLUMNS.length));
  const shards: DashboardManifest["shards"] = [];
  const search = collectSearch();
  const meta = collectMetaLatents();
  let parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const shard = (): DashboardFile => {
    const name = `shard-${shards.length.toString().padStart(3, "0")}.bin`;
    const file = { name, bytes: join(parts, bytes) };
    shards.push({ name, bytes });
    [parts, bytes] = [[], 0];
    return file;
  };
  for (let first = 0; first < latents.length; first += AT_ONCE) {
    signal?.throwIfAborted();
    const records = Array.from(latents.subarray(first, first + AT_ONCE), (latent) => {
      const dashboard = dashboards.read(latent);
      return dashboardRecord(dashboard, extras(dashboard));
    });
    for (const record of records) {
      search.add(record);
      meta.add(record);
    }
    const packed = await Promise.all(records.map((record) => gzip(JSON.stringify(record))));
    for (let i = 0; i < packed.length; i++) {
      if (bytes > 0 && bytes + packed[i].length > shardBytes) yield shard();
      const at = first + i;
      index.setUint32(at * 12, shards.length, true);
      index.setUint32(at * 12 + 4, bytes, true);
      index.setUint32(at * 12 + 8, packed[i].length, true);
      COLUMNS.forEach(([, type, of], c) => {
        const offset = (c * latents.length + at) * 4;
        if (type === "u32") columns.setUint32(offset, of(records[i]), true);
        else columns.setFloat32(offset, of(records[i]), true);
      });
      parts.push(packed[i]);
      bytes += packed[i].length;
    }
    const done = Math.min(latents.length, first + AT_ONCE);
    onProgress?.({ phase: "writing dashboards", done, total: latents.length });
  }
  yield shard();
  yield { name: "index.bin", bytes: new Uint8Array(index.buffer) };
  yield { name: "latents.bin", bytes: new Uint8Array(columns.buffer) };
  yield { name: "search.bin", bytes: await search.bytes(metaLabels) };
  if (meta.count() > 0) yield { name: "meta.bin", bytes: meta.bytes() };
  const { samples, correlated, rows, contextLength } = dashboards;
  const manifest: DashboardManifest = {
    ...{ format: FORMAT, ...about, samples, correlated, rows, contextLength },
    ...{ latents: latents.length, shards },
    columns: COLUMNS.map(([name, type]) => ({ name, type })),
    metaLatents: meta.count(),
  };
  const text = JSON.stringify(manifest, null, 2) + "\n";
  yield { name: DASHBOARD_FILE, bytes: new TextEncoder().encode(text) };
}

/** A folder of dashboards that is read record by record. */
export interface DashboardReader {
  /** Description of the folder. */
  manifest: DashboardManifest;
  /** Numbers of all latents, by name of the column. */
  columns(): Promise<Record<string, Float32Array | Uint32Array>>;
  /**
   * Reads a record.
   *
   * @param place Index of the record, from 0 to `manifest.latents` − 1; its latent is
   * `columns().latent[place]`.
   */
  record(place: number): Promise<DashboardRecord>;
  /** Tokens and labels of all latents, by index of the record. */
  search(): Promise<SearchIndex>;
  /**
   * The latents of a meta-latent, with its weight in each, the largest first.
   *
   * @param meta Index from 0 to `manifest.metaLatents` − 1.
   * @param most Largest number of latents (default: all).
   */
  latentsOf(meta: number, most?: number): Promise<MetaLatentLatents>;
  /** All records in their order. Each shard is read once. */
  records(): AsyncIterable<DashboardRecord>;
}

/**
 * Opens a folder of dashboards.
 *
 * @param read Reads a file of the folder, or its bytes from `from` to `to` − 1.
 * @throws {Error} The format is unknown, a file is too short, or a shard has an unexpected name.
 */
export async function openDashboards(
  read: (name: string, from?: number, to?: number) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<DashboardReader> {
  const manifest = JSON.parse(new TextDecoder().decode(await read(DASHBOARD_FILE)));
  if (manifest?.format !== FORMAT) {
    throw new Error(
      `${DASHBOARD_FILE} is of format ${JSON.stringify(manifest?.format)}, expected "${FORMAT}"`,
    );
  }
  const { latents, shards, columns } = manifest as DashboardManifest;
  const wrong = shards.find(({ name }) => !/^shard-\d{3,9}\.bin$/.test(name));
  if (wrong) {
    throw new Error(
      `${DASHBOARD_FILE} names a shard ${JSON.stringify(wrong.name)}, expected shard-000.bin`,
    );
  }
  const part = async (name: string, from: number, length: number) => {
    const bytes = await read(name, from, from + length);
    if (bytes.length !== length) {
      throw new Error(`${name} has ${bytes.length} bytes from byte ${from} on, expected ${length}`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  };
  return {
    manifest,
    async columns() {
      const view = await part("latents.bin", 0, latents * 4 * columns.length);
      return Object.fromEntries(columns.map(({ name, type }, c) => {
        const at = (i: number) => (c * latents + i) * 4;
        const numbers = type === "u32"
          ? Uint32Array.from({ length: latents }, (_, i) => view.getUint32(at(i), true))
          : Float32Array.from({ length: latents }, (_, i) => view.getFloat32(at(i), true));
        return [name, numbers];
      }));
    },
    async record(place) {
      if (!isWhole(place, 0, latents - 1)) {
        throw new RangeError(`place is ${place}, expected a whole number below ${latents}`);
      }
      const entry = await part("index.bin", place * 12, 12);
      const shard = shards[entry.getUint32(0, true)];
      if (!shard) throw new Error(`index.bin has no shard for record ${place}`);
      const packed = await part(shard.name, entry.getUint32(4, true), entry.getUint32(8, true));
      return JSON.parse(await gunzip(packed, MOST_RECORD, "a record"));
    },
    search: async () => await readSearch(await read("search.bin"), latents),
    latentsOf: (meta, most = Infinity) =>
      readMetaLatent(
        (from, length) => part("meta.bin", from, length),
        meta,
        (manifest as DashboardManifest).metaLatents,
        most,
      ),
    async *records() {
      const entries = await part("index.bin", 0, latents * 12);
      let open = -1;
      let bytes = new DataView(new ArrayBuffer(0));
      for (let place = 0; place < latents; place++) {
        const shard = entries.getUint32(place * 12, true);
        if (!shards[shard]) throw new Error(`index.bin has no shard for record ${place}`);
        const { name, bytes: size } = shards[shard];
        if (shard !== open) bytes = await part(name, 0, size);
        open = shard;
        const [from, length] = [4, 8].map((at) => entries.getUint32(place * 12 + at, true));
        if (from + length > size) {
          throw new Error(
            `record ${place} ends at byte ${from + length} of ${name}, which has ${size}`,
          );
        }
        const packed = new DataView(bytes.buffer, bytes.byteOffset + from, length);
        yield JSON.parse(await gunzip(packed, MOST_RECORD, "a record"));
      }
    },
  };
}

function join(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
