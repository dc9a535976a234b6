/**
 * Figures of results and pages of them. A figure is a function of a result; it shows itself in a notebook.
 *
 * @module
 */
export {
  type Figure,
  figure,
  type FigureOptions,
  type FigureWords,
  type Mark,
  type Plot,
  type PlotOptions,
  type ScaleOptions,
} from "./figure.ts";
export type { ReportAbout } from "./page.ts";
export type { FigureSymbol, LegendEntry } from "./legend.ts";
export { heatMap, type HeatMapOptions } from "./heat_map.ts";
export {
  decompositionGraph,
  type DecompositionGraphOptions,
  type GraphLatent,
  type GraphMetaLatent,
} from "./decomposition_graph.ts";
export { trainingPlots } from "./training_plots.ts";
export { type TrainingReport, trainingReport } from "./training_report.ts";
export { reportTraining, type ReportTrainingOptions } from "./report_training.ts";
export { type StitchingReport, stitchingReport } from "./stitching_report.ts";
export { stitchingPlots } from "./stitching_plots.ts";
export { stitchingFiles } from "./stitching_files.ts";
export { metaFiles } from "./meta_files.ts";
export { type MetaReport, metaReport } from "./meta_report.ts";
export { metaPlots } from "./meta_plots.ts";
export type { Contexts } from "./meta_cards.ts";
export { sweepFiles, type SweepReport } from "./sweep_report.ts";
export { perturbationPlots, probeFiles, probePlots, type ProbeReport } from "./probe_report.ts";
export { type LatentPage, latentPage, latentPageName } from "./latent_page.ts";
export { explanationFiles, type ExplanationFindings } from "./explanation_files.ts";
