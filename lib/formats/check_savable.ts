import { architectureOf } from "../sae/architectures/registry.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * Checks that an SAE can be stored: those whose thresholds are measured or learned with them, others without.
 *
 * @throws {Error} It cannot be stored; the message says what to do.
 */
export function checkSavable({ architecture, threshold }: Sae): void {
  const source = architectureOf(architecture).threshold;
  if (!threshold && source === "measured") {
    throw new Error(
      `threshold is missing: without it a ${architecture} SAE cannot encode a single sample. ` +
        "Estimate one (trainSae does at its end), set sae.threshold and save again",
    );
  }
  if (!threshold && source === "learned") {
    throw new Error(`threshold is missing, expected [dictSize] numbers for a ${architecture} SAE`);
  }
  if (threshold && (source === "zero" || source === "none")) {
    throw new Error(
      `threshold is set, but a ${architecture} SAE has none: delete it, or set the architecture ` +
        `to batchtopk or jumprelu`,
    );
  }
}
