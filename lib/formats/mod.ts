/**
 * Options of loading SAEs, published families by name, and stitched SAEs on disk. `loadSae` and
 * `saveSae` are at the front door.
 *
 * @module
 */
export type { LoadSaeOptions } from "./load_sae.ts";
export type { HubSaeOptions } from "./hub_sae.ts";
export { collectionIds, listCollections, type SaeCollection } from "./sae_collections.ts";
export { loadStitchedSae, saveStitchedSae } from "./stitched_sae_folder.ts";
