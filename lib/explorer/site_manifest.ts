import type { DashboardManifest } from "./dashboard_files.ts";

/** Name of the file that a site's page reads first. */
export const SITE_FILE = "site.json";

/** Numbers of latents by density and largest activation, for the map. */
export interface LatentMap {
  /** Logarithms (base 10) of the densities at the left and the right edge. */
  density: [low: number, high: number];
  /** Largest activation at the upper edge; the lower is 0. */
  max: number;
  /** Columns and rows of the grid. */
  size: [columns: number, rows: number];
  /** Number of latents per cell, row after row, the lowest activations first. */
  counts: number[];
  /** Number of latents that are never active, which are in no cell. */
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
  /** Size of `prefix.onnx` in bytes. */
  bytes: number;
  /** Name of the hook's tensor. */
  tensor: string;
  /** Id of the token that begins rows. */
  bosToken: number;
  /** Longest row in tokens, BOS included. */
  maxContext: number;
  /** Inputs of the prefix. */
  inputs: { name: string; type: "int32" | "int64" }[];
  /** Where the text to train on, `texts.json`, is from. */
  texts?: { name: string; documents: number };
}

/** Files with which the page encodes own text. */
export interface OwnText {
  /** Index of the model among the site's. */
  model: number;
  /** Folder of `sae.bin`, with a slash at the end. */
  path: string;
  /** Tokens per row, BOS included. */
  context: number;
  /** Whether rows begin with BOS, as in the SAE's training. */
  prependBos: boolean;
  /** The SAE without its weights, which are in `sae.bin` as concatenated float32 arrays. */
  sae: Record<string, unknown>;
  /** Names and lengths of these arrays. */
  arrays: [name: string, length: number][];
}

/** An SAE of a site. */
export interface SiteSae {
  /** Its name, which is part of addresses. */
  name: string;
  /** Folder of its dashboards, relative to the page, with a slash at the end. */
  path: string;
  /** Content of its `dashboard.json`. */
  manifest: DashboardManifest;
  /** Map of its latents. */
  map: LatentMap;
  /** Files to encode own text. */
  own?: OwnText;
  /** Folder of its results from runs, with `results.json`. */
  results?: string;
}

/** Two SAEs that were stitched. */
export interface SitePair {
  /** Indices of the SAEs in the site's list. */
  small: number;
  large: number;
  /** Folder of its files. */
  path: string;
  /** Index of its chain in the list of sweeps. */
  sweep: number;
  /** Numbers of claims of section 4 that hold, do not hold, and are not decided. */
  claims: [yes: number, no: number, open: number];
}

/** SAEs that were trained together, or stitched one after the other. */
export interface SiteSweep {
  /** A training sweep, or a chain of stitched pairs. */
  kind: "sweep" | "chain";
  /** Its name: that of the folder it comes from. */
  name: string;
  /** Folder of its files. */
  path: string;
  /** Indices of its SAEs in the site's list; others are left out. */
  saes: number[];
}

/** Content of `site.json`. */
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
