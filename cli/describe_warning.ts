import type { TrainingWarning } from "../mod.ts";

/** A warning for people. */
export function describeWarning({ message, step }: TrainingWarning): string {
  return `at step ${step} ${message}`;
}
