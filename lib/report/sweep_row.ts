export type { SweepRow } from "../sweep/sweep_row.ts";
