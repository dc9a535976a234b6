import { VERSION } from "../version.ts";
import { DASHBOARD_FILE, openDashboards } from "./dashboard_files.ts";
import type { ModelFiles, OwnFiles } from "./own_files.ts";
import { PAGE_SCRIPT, WORKER_SCRIPT } from "./page_scripts.ts";
import { latentMap, SITE_FILE, type SiteManifest, type SiteSae } from "./site_manifest.ts";
import type { ResultFolder } from "./result_folder.ts";
import { siteResults } from "./site_results.ts";
import { SITE_STYLE } from "./site_style.ts";

/** A folder of dashboards that a site shows. */
export interface SiteSource {
  /** Reads a file of the folder, or its bytes from `from` to `to` − 1. */
  read(name: string, from?: number, to?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** SAE and model for own text; without them there is no such page. */
  own?: OwnFiles;
}

/** A file of a site: its content, or the source and file of which it is a copy. */
export type SiteFile =
  & { name: string }
  & ({ bytes: Uint8Array<ArrayBuffer> } | { source: number; file: string });

// No inline scripts, no other hosts; WebAssembly of the site itself may be compiled.
const POLICY = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const INDEX = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="referrer" content="no-referrer">
<title>saewing explorer</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="explorer.css">
<script type="module" src="explorer.js"></script>
</head>
<body>
<div id="page"><noscript>This page reads its data by JavaScript.</noscript></div>
</body>
</html>
`;

const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#2563c9"/><path d="M4 11l4-7 4 7" fill="none" stroke="#fff" stroke-width="2"/></svg>\n`;

/**
 * The files of the explorer, a site for any static web server. The page first reads `site.json`, which
 * contains the map of latents for the first view, then parts of the dashboards' files by range requests.
 *
 * @param sources Folders of dashboards. Their names are those of the SAEs; equal names are numbered.
 * @param trained Models to train on in the page, besides those that encode own text. Without a source the
 * site is a page that trains.
 * @param results Folders of results on these SAEs: pages of pairs and sweeps, measures and claims.
 * @throws {Error} A folder is no finished folder of dashboards, or is damaged; results are of other SAEs.
 */
export async function* siteFiles(
  sources: readonly SiteSource[],
  trained: readonly ModelFiles[] = [],
  results: readonly ResultFolder[] = [],
): AsyncGenerator<SiteFile> {
  const encoder = new TextEncoder();
  const saes: SiteSae[] = [];
  const models: ModelFiles[] = [...trained];
  // All folders are checked before the first file, so that no incomplete site is written.
  const data: SiteFile[] = [];
  for (const [source, { read, own }] of sources.entries()) {
    const { manifest, columns } = await openDashboards(read);
    const wanted = String(manifest.sae.name ?? "sae");
    const taken = (name: string) => saes.some((sae) => sae.name === name);
    let name = wanted;
    for (let i = 2; taken(name); i++) name = `${wanted} (${i})`;
    // Folders are numbered: names from files are not used as paths.
    const path = `data/${source}/`;
    const { density, max } = await columns();
    const sae: SiteSae = { name, path, manifest, map: latentMap(density, max) };
    const names = ["latents.bin", "index.bin", "search.bin", DASHBOARD_FILE];
    if (manifest.metaLatents > 0) names.push("meta.bin");
    for (const file of [...names, ...manifest.shards.map(({ name }) => name)]) {
      data.push({ name: path + file, source, file });
    }
    if (own) {
      if (!models.includes(own.model)) models.push(own.model);
      sae.own = { ...own.about, model: models.indexOf(own.model), path: `own/${source}/` };
      for (const { name, bytes } of own.files) data.push({ name: sae.own.path + name, bytes });
    }
    saes.push(sae);
  }
  const { pairs, sweeps, files } = await siteResults(saes, results);
  data.push(...files);
  yield { name: "index.html", bytes: encoder.encode(INDEX) };
  yield { name: "icon.svg", bytes: encoder.encode(ICON) };
  yield { name: "explorer.css", bytes: encoder.encode(SITE_STYLE) };
  yield { name: "explorer.js", bytes: await unpack(PAGE_SCRIPT) };
  if (models.length > 0) yield { name: "worker.js", bytes: await unpack(WORKER_SCRIPT) };
  yield* data;
  for (const [i, { files }] of models.entries()) {
    for (const { name, bytes } of files) yield { name: modelPath(i) + name, bytes };
  }
  const site: SiteManifest = {
    ...{ format: "saewing explorer 1", createdBy: `saewing ${VERSION}`, saes, pairs, sweeps },
    models: models.map(({ about }, i) => ({ ...about, path: modelPath(i) })),
  };
  yield { name: SITE_FILE, bytes: encoder.encode(JSON.stringify(site)) };
}

const modelPath = (i: number) => `models/${i}/`;

async function unpack(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([Uint8Array.fromBase64(base64)]).stream()
    .pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).bytes();
}
