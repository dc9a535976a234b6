/**
 * What a sweep is made of: grids, cells, and where its SAEs are kept. `sweepGrid`, `sweepSaes` and
 * `sweepFolder` are in the main entry point.
 *
 * @module
 */
export type { GridOption, SweepCell, SweepGrid } from "./grid.ts";
export { type GridFile, gridOfTexts, type GridTexts } from "./grid_texts.ts";
export { OptionError } from "./option_texts.ts";
export type { SweepGroup, SweepOptions, SweepProgress } from "./sweep_saes.ts";
export {
  type CellState,
  type SweepMeasures,
  SweepMismatchError,
  type SweepStore,
} from "./sweep_store.ts";
export { atEqualL0, type EqualL0 } from "./equal_l0.ts";
