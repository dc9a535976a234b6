import { stringify } from "@std/csv";
import type { StepRecord } from "../training/step_record.ts";
import { recordColumns } from "../training/record_columns.ts";

/** Records of steps as CSV, one row per step; empty where there are none. */
export function metricsTable(history: readonly StepRecord[]): string {
  if (history.length === 0) return "";
  return stringify(history as readonly unknown[] as Record<string, unknown>[], {
    columns: recordColumns(history),
  });
}
