/// <reference lib="dom" />
import { type DashboardReader, openDashboards } from "../dashboard_files.ts";
import type { SearchIndex } from "../search_index.ts";
import type { SaeResults } from "../sae_results.ts";
import {
  SITE_FILE,
  type SiteManifest,
  type SiteModel,
  type SitePair,
  type SiteSae,
  type SiteSweep,
} from "../site_manifest.ts";
import type { SweepData } from "../sweep_data.ts";
import { openPair, type PairReader } from "./pair_reader.ts";

/** An SAE of the site, with its files read when they are asked for, each once. */
export interface SaeData extends SiteSae {
  /** The model of `own`. */
  model?: SiteModel;
  /** Its folder of dashboards. */
  reader(): Promise<DashboardReader>;
  /** Numbers of all latents. */
  columns(): Promise<Record<string, Float32Array | Uint32Array>>;
  /** Tokens and labels of all latents. */
  search(): Promise<SearchIndex>;
  /** Place of a latent's record; undefined where it has no dashboard. */
  placeOf(latent: number): Promise<number | undefined>;
  /** What runs say of it. */
  readResults(): Promise<SaeResults>;
}

/** Two SAEs of the site, and what is known of both. */
export interface SitePairData {
  /** SAE 0 of the paper. */
  small: SaeData;
  /** SAE 1 of the paper. */
  large: SaeData;
  /** Folder of its files. */
  path: string;
  /** Its chain. */
  sweep: number;
  /** How many claims hold, do not hold, and are not decided. */
  claims: SitePair["claims"];
  /** Its files, read when they are asked for. */
  reader(): Promise<PairReader>;
}

/** A sweep or chain of the site. */
export interface SiteSweepData extends SiteSweep {
  /** What its page shows. */
  read(): Promise<SweepData>;
}

/** What the site shows. */
export interface Site {
  /** Its SAEs. */
  saes: SaeData[];
  /** Its pairs. */
  pairs: SitePairData[];
  /** Its sweeps and chains. */
  sweeps: SiteSweepData[];
  /** The models that its page runs. */
  models: SiteModel[];
}

/** What the site shows. */
export async function readSite(): Promise<Site> {
  const { saes, pairs, sweeps, models } = await readJson<SiteManifest>(SITE_FILE);
  const opened = saes.map((sae) => openSae(sae, models));
  return {
    ...{ saes: opened, models },
    pairs: pairs.map(({ small, large, path, ...rest }: SitePair) => ({
      ...{ ...rest, path, small: opened[small], large: opened[large] },
      reader: once(() => openPair((name, from, to) => readPart(path + name, from, to))),
    })),
    sweeps: sweeps.map((sweep) => ({
      ...sweep,
      read: once(() => readJson<SweepData>(`${sweep.path}sweep.json`)),
    })),
  };
}

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode(await readPart(path)));
}

function openSae(entry: SiteSae, models: SiteModel[]): SaeData {
  const { latents, sae } = entry.manifest;
  const reader = once(() =>
    openDashboards((name, from, to) =>
      name === "dashboard.json"
        // The site's own file has it already.
        ? Promise.resolve(new TextEncoder().encode(JSON.stringify(entry.manifest)))
        : readPart(entry.path + name, from, to)
    )
  );
  const columns = once(async () => await (await reader()).columns());
  const places = once(async () => {
    const { latent } = await columns();
    return new Map(Array.from(latent, (one, place) => [one, place]));
  });
  return {
    ...entry,
    ...{ reader, columns, model: models[entry.own?.model ?? -1] },
    readResults: once(() => readJson<SaeResults>(`${entry.results}results.json`)),
    search: once(async () => await (await reader()).search()),
    async placeOf(latent) {
      // Where all latents have a dashboard a link to one needs no table.
      if (latents === sae.dictSize) return latent < latents ? latent : undefined;
      return (await places()).get(latent);
    },
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    if (!made) {
      made = make();
      // What failed is tried again.
      made.catch(() => made = undefined);
    }
    return made;
  };
}

const whole = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/**
 * A file of the site, or its bytes from `from` to `to` − 1. Of a server that knows no ranges the whole file
 * comes; it is kept.
 *
 * @throws {Error} It cannot be read.
 */
export async function readPart(
  path: string,
  from?: number,
  to?: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const known = whole.get(path);
  if (known) return (await known).slice(from, to);
  const isPart = from !== undefined && to !== undefined;
  if (isPart && to <= from) return new Uint8Array(0);
  const headers: HeadersInit = isPart ? { range: `bytes=${from}-${to - 1}` } : {};
  const response = await fetch(path, { headers });
  if (!response.ok) throw new Error(`${path} cannot be read: ${response.status}`);
  const bytes = response.arrayBuffer().then((buffer) => new Uint8Array(buffer));
  if (!isPart || response.status === 206) return await bytes;
  whole.set(path, bytes);
  return (await bytes).slice(from, to);
}
