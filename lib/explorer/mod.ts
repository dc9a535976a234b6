/**
 * Folders of dashboards that a page reads by ranges, and Neuronpedia's import format.
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
