import type { DashboardManifest } from "./dashboard_files.ts";

/** Name of the file that a site's page reads first. */
export const SITE_FILE = "site.json";

/** Latents counted by density and largest activation: what the map shows. */
export interface LatentMap {
  /** Logarithms (base 10) of the densities at the left and the right edge. */
  density: [low: number, high: number];
  /** Largest activation at the upper edge; the lower is 0. */
  max: number;
  /** Columns and rows of the grid. */
  size: [columns: number, rows: number];
  /** Latents in each cell, row after row, the lowest activations first. */
  counts: number[];
  /** Latents that are never active; they are in no cell. */
  inactive: number;
}

/** What encodes the reader's own text: files of the site. */
export interface OwnText {
  /** Bytes of the model's prefix, `prefix.onnx`. */
  modelBytes: number;
  /** The tensor that the SAE reads. */
  tensor: string;
  /** Token that rows begin with. */
  bosToken: number;
  /** Most tokens of a row, BOS included. */
  context: number;
  /** Inputs of the prefix: name, type, and dimensions with −1 for what is free. */
  inputs: { name: string; type: "int32" | "int64" }[];
  /** The SAE without its weights, which are in `sae.bin`: float32 arrays one after the other. */
  sae: Record<string, unknown>;
  /** Those arrays: names and lengths. */
  arrays: [name: string, length: number][];
}

/** An SAE of a site. */
export interface SiteSae {
  /** Its name, which addresses carry. */
  name: string;
  /** Folder of its dashboards, relative to the page, with a slash at the end. */
  path: string;
  /** What its `dashboard.json` holds. */
  manifest: DashboardManifest;
  /** Map of its latents. */
  map: LatentMap;
  /** Folder of what encodes own text, and what it holds. */
  own?: OwnText & { path: string };
}

/** What `site.json` holds. */
export interface SiteManifest {
  /** "saewing explorer 1". */
  format: string;
  /** Program and version. */
  createdBy: string;
  /** The SAEs that it shows. */
  saes: SiteSae[];
}

/** Counts latents for the map: 48 steps of density by 24 of activation. */
export function latentMap(
  density: ArrayLike<number>,
  max: ArrayLike<number>,
): LatentMap {
  const [columns, rows] = [48, 24];
  let [low, high, most, inactive] = [0, -Infinity, 0, 0];
  for (let i = 0; i < density.length; i++) {
    if (!(density[i] > 0)) {
      inactive++;
      continue;
    }
    const log = Math.log10(density[i]);
    low = Math.min(low, log);
    high = Math.max(high, log);
    most = Math.max(most, max[i]);
  }
  if (high === -Infinity) high = 0;
  if (high === low) low -= 1;
  const counts = new Array<number>(columns * rows).fill(0);
  const bin = (share: number, bins: number) => Math.min(bins - 1, Math.floor(share * bins));
  for (let i = 0; i < density.length; i++) {
    if (!(density[i] > 0)) continue;
    const column = bin((Math.log10(density[i]) - low) / (high - low), columns);
    counts[bin(most > 0 ? max[i] / most : 0, rows) * columns + column]++;
  }
  return { density: [low, high], max: most, size: [columns, rows], counts, inactive };
}
