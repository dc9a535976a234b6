import type { Loop } from "../device/cpu_stage.ts";

/** Every loop of the CPU device, by the name of its function. */
const LOOPS: Record<string, Loop<never>> = {};

/** The loop of a name, as workers look for it; none where there is no such loop. */
export function findLoop(name: string): Loop<never> | undefined {
  return LOOPS[name];
}
