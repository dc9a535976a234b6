import { dirname, join } from "@std/path";
import { readRegularText } from "../lib/language_model/regular_file.ts";
import type { Sae, TrainingQuality, TrainOptions } from "../mod.ts";

/** The seed that an SAE was trained with, where it says so. */
export function seedOf({ metadata }: Sae): number | undefined {
  return (metadata.training as Partial<TrainOptions> | undefined)?.seed;
}

/** How far the loss of an SAE still moved when its training ended, where it says so. */
export function lossChangeOf({ metadata: { lossChange } }: Sae): number | undefined {
  return typeof lossChange === "number" ? lossChange : undefined;
}

/**
 * What is known of how well an SAE was trained: what it says itself, and the NMSE that `train` and
 * `sweep` measured, in evaluation.json beside its folder.
 *
 * @param folder Where it was loaded from.
 */
export function trainingQuality(folder: string, sae: Sae): TrainingQuality {
  return { seed: seedOf(sae), lossChange: lossChangeOf(sae), nmse: measuredNmse(folder) };
}

function measuredNmse(folder: string): number | undefined {
  try {
    const { nmse } = JSON.parse(
      readRegularText(join(dirname(folder), "evaluation.json")),
    ) as { nmse?: unknown };
    return typeof nmse === "number" ? nmse : undefined;
  } catch {
    // Most SAEs have none, those of the hub no folder either.
    return undefined;
  }
}
