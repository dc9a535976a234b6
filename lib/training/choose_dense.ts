import { isCpu } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import type { Gpu } from "../device/gpu.ts";
import { DENSE_SHARE } from "../ops/dense_step.ts";
import type { StepRecord } from "./step_record.ts";

// Steps between looks: a look waits for the GPU, 10 ms or more.
const EVERY = 50;

/**
 * Whether the record of this step says how the steps after it go on a GPU: of the first, then of every 50th. It
 * is read before the next step, so that a resumed run, which has the records, goes the same way.
 */
export const tellsDensity = (step: number): boolean => step === 1 || step % EVERY === 0;

/** Whether a GPU's next step goes by dense products: the first does not. */
export function goesDense(
  device: Device,
  history: Pick<StepRecord, "step" | "l0">[],
  dictSize: number,
): boolean {
  if (isCpu(device)) return false;
  const { denseStep } = device as Gpu;
  if (denseStep !== "measured") return denseStep === "always";
  const told = history.findLast(({ step }) => tellsDensity(step));
  return told !== undefined && told.l0 > DENSE_SHARE * dictSize;
}
