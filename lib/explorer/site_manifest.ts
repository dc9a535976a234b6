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

/** A language model's layers up to a hook, which all SAEs of that hook share. */
export interface SiteModel {
  /** The model's folder or hub id. */
  id: string;
  /** The hook that the layers end at. */
  hook: string;
  /** Folder of `prefix.onnx`, `tokenizer.json` and `tokenizer_config.json`, with a slash at the end. */
  path: string;
  /** Bytes of `prefix.onnx`. */
  bytes: number;
  /** The tensor that SAEs read. */
  tensor: string;
  /** Token that rows begin with. */
  bosToken: number;
  /** Most tokens of a row, BOS included. */
  maxContext: number;
  /** Inputs of the prefix. */
  inputs: { name: string; type: "int32" | "int64" }[];
  /** Where the text to train on, `texts.json`, is from. */
  texts?: { name: string; documents: number };
}

/** What encodes the reader's own text. */
export interface OwnText {
  /** Number of its model among the site's. */
  model: number;
  /** Folder of `sae.bin`, with a slash at the end. */
  path: string;
  /** Tokens of a row, BOS included. */
  context: number;
  /** Whether rows begin with BOS, as the SAE was trained. */
  prependBos: boolean;
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
  /** What encodes own text with it. */
  own?: OwnText;
  /** Folder of what runs say of it, with `results.json`. */
  results?: string;
}

/** Two SAEs that were stitched. */
export interface SitePair {
  /** Places of the SAEs in the site's list. */
  small: number;
  large: number;
  /** Folder of its files. */
  path: string;
  /** Place of its chain in the list of sweeps. */
  sweep: number;
  /** How many claims of section 4 hold, do not hold, and are not decided. */
  claims: [yes: number, no: number, open: number];
}

/** SAEs that were trained together, or stitched one after the other. */
export interface SiteSweep {
  /** Which of both. */
  kind: "sweep" | "chain";
  /** What it is called: the folder that it comes from. */
  name: string;
  /** Folder of its files. */
  path: string;
  /** Places of those of its SAEs that the site has. */
  saes: number[];
}

/** What `site.json` holds. */
export interface SiteManifest {
  /** "saewing explorer 1". */
  format: string;
  /** Program and version. */
  createdBy: string;
  /** The SAEs that it shows. */
  saes: SiteSae[];
  /** The models that the page runs, for own text and for training. */
  models: SiteModel[];
  /** The pairs that it shows. */
  pairs: SitePair[];
  /** The sweeps and chains that it shows. */
  sweeps: SiteSweep[];
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
