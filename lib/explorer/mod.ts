/**
 * Folders of dashboards that a page reads by range requests, search in them, a site to explore them, and
 * Neuronpedia's import format.
 *
 * @module
 */
export {
  type DashboardAbout,
  type DashboardFile,
  dashboardFiles,
  type DashboardManifest,
  type DashboardReader,
  openDashboards,
} from "./dashboard_files.ts";
export type { ContextRecord, DashboardExtras, DashboardRecord } from "./dashboard_record.ts";
export {
  checkNeuronpediaSource,
  neuronpediaFiles,
  type NeuronpediaNames,
  type NeuronpediaOptions,
  type NeuronpediaSource,
} from "./neuronpedia.ts";
export type { MetaLatentLatents } from "./meta_index.ts";
export type { MetaLabel, SearchIndex } from "./search_index.ts";
export {
  type ModelFiles,
  modelFiles,
  type OwnFiles,
  ownFiles,
  type PageTexts,
} from "./own_files.ts";
export { folderReader } from "./read_folder.ts";
export { type Served, siteHandler } from "./serve_site.ts";
export type { ResultFolder } from "./result_folder.ts";
export { type SiteFile, siteFiles, type SiteSource } from "./site.ts";
export type { OwnText, SiteModel } from "./site_manifest.ts";
export {
  type DashboardQuery,
  type FoundLatent,
  searchDashboards,
  type SearchOptions,
} from "./search_dashboards.ts";
