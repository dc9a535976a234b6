import type { StepRecord } from "./step_record.ts";

/** Names of what any of the records has: some have what others lack, such as `meanLoss`. */
export function recordColumns(history: readonly StepRecord[]): (keyof StepRecord)[] {
  const names = new Set<string>();
  for (const record of history) for (const name in record) names.add(name);
  return [...names] as (keyof StepRecord)[];
}
