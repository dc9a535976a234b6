/**
 * Options of loading SAEs, published families by name, stitched SAEs on disk, and folders of runs. `loadSae` and
 * `saveSae` are in the main entry point.
 *
 * @module
 */
export type { LoadSaeOptions } from "./load_sae.ts";
export type { HubSaeOptions } from "./hub_sae.ts";
export { collectionIds, listCollections, type SaeCollection } from "./sae_collections.ts";
export { loadStitchedSae, saveStitchedSae } from "./stitched_sae_folder.ts";
export {
  type OpenOutput,
  openOutputFolder,
  type OutputFolder,
  OutputFolderError,
} from "./output_folder.ts";
export { findRun, type FoundRun, type RunManifest, type WritingCommand } from "./run_files.ts";
export { openRunFolder, type RunFolder } from "./run_folder.ts";
