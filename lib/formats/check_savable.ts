import type { Sae } from "../sae/sae.ts";

/**
 * Checks that an SAE can be stored: batchtopk and jumprelu with a threshold, others without.
 *
 * @throws {Error} It cannot; the message says what to do.
 */
export function checkSavable({ architecture, threshold }: Sae): void {
  const wanted = architecture === "batchtopk" || architecture === "jumprelu";
  if (!threshold && architecture === "batchtopk") {
    throw new Error(
      "threshold is missing: without it a batchtopk SAE cannot encode a single sample. " +
        "Estimate one (trainSae does at its end), set sae.threshold and save again",
    );
  }
  if (!threshold && wanted) {
    throw new Error("threshold is missing, expected [dictSize] numbers for a jumprelu SAE");
  }
  if (threshold && !wanted) {
    throw new Error(
      `threshold is set, but a ${architecture} SAE has none: delete it, or set the architecture ` +
        `to batchtopk or jumprelu`,
    );
  }
}
