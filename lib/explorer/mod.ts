/**
 * Folders of dashboards that a page reads by ranges.
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
