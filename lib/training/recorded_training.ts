import type { Sae } from "../sae/sae.ts";
import type { TrainOptions } from "./options.ts";

/** The seed that an SAE was trained with, where its metadata has it. */
export function recordedSeed({ metadata }: Sae): number | undefined {
  return (metadata.training as Partial<TrainOptions> | undefined)?.seed;
}

/** How far the loss of an SAE still changed when its training ended, where its metadata has it. */
export function recordedLossChange({ metadata: { lossChange } }: Sae): number | undefined {
  return typeof lossChange === "number" ? lossChange : undefined;
}
