import { META_FORMAT, type MetaSummary } from "../report/meta_files.ts";
import { STITCH_FORMAT, type StitchingSummary } from "../report/stitching_files.ts";
import type { SweepRow } from "../sweep/sweep_row.ts";
import { pairData } from "./pair_data.ts";
import { lastPart, readPicture, readSummary, type ResultFolder } from "./result_folder.ts";
import { addMeta, addSweptSae, addTraining, noResults, type SaeResults } from "./sae_results.ts";
import type { SitePair, SiteSae, SiteSweep } from "./site_manifest.ts";
import { chainData, type SweepData, sweepData, sweepRows } from "./sweep_data.ts";

/** The part of a site that comes from results: pages of pairs and sweeps, and `results` of SAEs. */
export interface SiteResults {
  /** Pairs, in the order of the folders. */
  pairs: SitePair[];
  /** Sweeps and chains. */
  sweeps: SiteSweep[];
  /** Their files. */
  files: { name: string; bytes: Uint8Array<ArrayBuffer> }[];
}

interface Building extends SiteResults {
  saes: SiteSae[];
  /** By the SAEs' places. */
  results: Map<number, SaeResults>;
}

/**
 * Reads folders of results, assigns them to the site's SAEs by the digest of the decoder rows, and creates the
 * pages. Sets `results` of SAEs that have some.
 *
 * @throws {Error} A folder belongs to no SAE of the site, or to one of the same name with other weights; a file in
 * it is missing or damaged.
 */
export async function siteResults(
  saes: SiteSae[],
  folders: readonly ResultFolder[],
): Promise<SiteResults> {
  const site: Building = { saes, pairs: [], sweeps: [], files: [], results: new Map() };
  const add = {
    ...{ stitch: addStitching, sweep: addSweep, meta: addMetaRun, train: addTrainingRun },
  };
  for (const folder of folders) {
    await add[folder.kind](site, folder).catch((error: Error) => {
      // What is wrong with a table is said by its reader, which does not know the folder.
      if (error.message.includes(folder.name)) throw error;
      throw new Error(`${folder.name}: ${error.message}`, { cause: error });
    });
  }
  for (const [sae, results] of site.results) {
    saes[sae].results = `results/${sae}/`;
    addJson(site, `results/${sae}/results.json`, results);
  }
  const { pairs, sweeps, files } = site;
  return { pairs, sweeps, files };
}

function addJson({ files }: Building, name: string, data: unknown): void {
  files.push({ name, bytes: new TextEncoder().encode(JSON.stringify(data)) });
}

/** The SAE of a digest; -1: none. */
function placeOf({ saes }: Building, digest: string | undefined): number {
  return saes.findIndex(({ manifest }) =>
    digest !== undefined && manifest.sae.decoderDigest === digest
  );
}

/** Describes an SAE that the site does not have, with the site's SAE of the same name if there is one. */
function stranger({ saes }: Building, name: string, digest: string | undefined): string {
  const short = (digest: unknown) =>
    typeof digest === "string" ? `${digest.slice(0, 12)}…` : "unknown";
  const same = saes.find((sae) => sae.name === name || sae.manifest.sae.name === name);
  if (!same) return `${name} (digest ${short(digest)})`;
  return `${name}, which is not the ${name} of ${same.path}: other decoder rows (digest ` +
    `${short(digest)}, expected ${short(same.manifest.sae.decoderDigest)})`;
}

const known = ({ saes }: Building): string => saes.map(({ name }) => name).join(", ");

async function addStitching(site: Building, folder: ResultFolder): Promise<void> {
  const summary = await readSummary<StitchingSummary>(folder, "stitch.json", STITCH_FORMAT);
  const places = new Map(summary.saes.map((sae) => [sae.name, placeOf(site, sae.decoderDigest)]));
  const find = (name: string) => {
    const place = places.get(name) ?? -1;
    return place < 0 ? undefined : place;
  };
  const shown = summary.pairs.filter(({ small, large }) =>
    find(small) !== undefined && find(large) !== undefined
  );
  if (shown.length === 0) {
    const strangers = summary.saes.filter(({ name }) => find(name) === undefined)
      .map(({ name, decoderDigest }) => stranger(site, name, decoderDigest));
    throw new Error(
      `${folder.name} is of SAEs that have no dashboards here: ${
        strangers.join("; ")
      }. A pair needs the ` +
        `dashboards of both SAEs, there are those of ${known(site)}`,
    );
  }
  const sweep: SweepData = await chainData(folder, summary, find);
  for (const pair of shown) {
    const { data, files } = await pairData(folder, summary, pair);
    const number = site.pairs.length;
    const path = `pairs/${number}/`;
    const [small, large] = [find(pair.small)!, find(pair.large)!];
    if (site.pairs.some((other) => other.small === small && other.large === large)) {
      throw new Error(
        `${folder.name} has the pair ${pair.small} → ${pair.large}, which another folder has too: give one`,
      );
    }
    for (const [place, { dictSize }] of [[small, data.saes[0]], [large, data.saes[1]]] as const) {
      const { manifest, name } = site.saes[place];
      if (manifest.sae.dictSize !== dictSize) {
        throw new Error(
          `${folder.name} gives ${name} ${dictSize} latents, its dashboards ${manifest.sae.dictSize}`,
        );
      }
    }
    const count = (wanted: boolean | undefined) =>
      pair.claims.filter(({ holds }) => holds === wanted).length;
    site.pairs.push({
      ...{ small, large, path, sweep: site.sweeps.length },
      claims: [count(true), count(false), count(undefined)],
    });
    sweep.pairs.push(number);
    for (const [name, bytes] of Object.entries(files)) {
      site.files.push({ name: path + name, bytes });
    }
    await addPictures(site, folder, path, data.pictures);
    addJson(site, `${path}pair.json`, data);
  }
  await addSweepPage(site, folder, sweep, summary.saes.map(({ name }) => find(name)));
}

async function addSweep(site: Building, folder: ResultFolder): Promise<void> {
  const rows = await sweepRows(folder);
  const found = new Map<string, number>();
  const strangers: string[] = [];
  for (const row of rows) {
    const digest = await digestOf(site, folder, row);
    const place = placeOf(site, digest);
    if (place >= 0) found.set(row.name, place);
    else if (site.saes.some(({ name }) => name === row.name)) {
      strangers.push(stranger(site, row.name, digest));
    }
  }
  if (found.size === 0) {
    throw new Error(
      `${folder.name} is a sweep of ${rows.length} SAEs, of which none has dashboards here` +
        `${strangers.map((one) => `; ${one}`).join("")}. There are those of ${known(site)}`,
    );
  }
  for (const row of rows) {
    const place = found.get(row.name);
    if (place !== undefined) await addSweptSae(resultsOf(site, place), folder, row);
  }
  const data = sweepData(rows, (name) => found.get(name));
  await addSweepPage(site, folder, data, [...found.values()]);
}

/** Reads weights only of SAEs that may be one of the site's. */
async function digestOf(
  { saes }: Building,
  folder: ResultFolder,
  { name, dictSize, architecture }: SweepRow,
): Promise<string | undefined> {
  const fits = saes.some(({ manifest: { sae } }) =>
    sae.dictSize === dictSize && sae.architecture === architecture
  );
  return fits ? await folder.digest(`${name}/sae`) : undefined;
}

async function addSweepPage(
  site: Building,
  folder: ResultFolder,
  data: SweepData,
  places: (number | undefined)[],
): Promise<void> {
  const path = `sweeps/${site.sweeps.length}/`;
  const saes = [...new Set(places.filter((place) => place !== undefined))];
  const kind = folder.kind === "stitch" ? "chain" : "sweep";
  site.sweeps.push({ kind, name: lastPart(folder), path, saes });
  await addPictures(site, folder, path, data.pictures);
  addJson(site, `${path}sweep.json`, data);
}

async function addMetaRun(site: Building, folder: ResultFolder): Promise<void> {
  const summary = await readSummary<MetaSummary>(folder, "meta.json", META_FORMAT);
  const { name, decoderDigest } = summary.sae;
  const place = placeOf(site, decoderDigest);
  if (place < 0) refuse(site, folder, "decomposes", name, decoderDigest);
  const results = resultsOf(site, place);
  addMeta(results, folder, summary);
  const pictures = folder.files.filter((file) => /^plots\/[^/]+\.svg$/.test(file))
    .map((file) => ({ file, title: file.slice(6, -4).replaceAll("_", " ") }));
  results.pictures.push(...pictures);
  await addPictures(site, folder, `results/${place}/`, pictures);
}

async function addTrainingRun(site: Building, folder: ResultFolder): Promise<void> {
  const digest = await folder.digest("sae");
  const place = placeOf(site, digest);
  const name = lastPart(folder);
  if (place < 0) refuse(site, folder, "trained", name, digest);
  await addTraining(resultsOf(site, place), folder);
}

function refuse(
  site: Building,
  folder: ResultFolder,
  did: string,
  name: string,
  digest: string | undefined,
): never {
  throw new Error(
    `${folder.name} ${did} an SAE that has no dashboards here: ${stranger(site, name, digest)}. ` +
      `There are those of ${known(site)}`,
  );
}

function resultsOf({ results }: Building, place: number) {
  const found = results.get(place) ?? noResults();
  results.set(place, found);
  return found;
}

async function addPictures(
  { files }: Building,
  folder: ResultFolder,
  path: string,
  pictures: readonly { file: string }[],
): Promise<void> {
  for (const { file } of pictures) {
    files.push({ name: path + file, bytes: await readPicture(folder, file) });
  }
}
