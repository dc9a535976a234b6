import type { Architecture, Sae } from "../sae/sae.ts";

/**
 * Checks that an SAE's fields fit each other and hold numbers.
 *
 * @param where Where the SAE comes from, named in errors.
 * @throws {Error} A field has another length than dModel and dictSize ask for, holds NaN or infinity
 * (a threshold may be infinite), or k is missing or out of range.
 */
export function checkSae(sae: Sae, where: string): void {
  const { architecture, dModel: d, dictSize: m, k } = sae;
  check("wEnc", sae.wEnc, m * d);
  check("wDec", sae.wDec, m * d);
  check("bEnc", sae.bEnc, m);
  check("bDec", sae.bDec, d);
  if (sae.threshold) check("threshold", sae.threshold, m);
  const needsK = architecture === "topk" || architecture === "batchtopk";
  if (needsK && !validK(architecture, k, m)) {
    throw new Error(`k is ${k}, expected ${kRange(architecture)} dictSize = ${m}, in ${where}`);
  }

  function check(name: string, data: Float32Array | undefined, wanted: number): void {
    if (data?.length !== wanted) {
      throw new Error(
        `${name} has ${data?.length ?? "no"} elements, expected ${wanted} ` +
          `(dictSize ${m}, dModel ${d}), in ${where}`,
      );
    }
    // An infinite threshold switches a latent off; nothing else may be infinite.
    const mayBeInfinite = name === "threshold";
    for (let i = 0; i < data.length; i++) {
      const x = data[i];
      // x - x is 0 for finite numbers only. 25 M numbers: 110 ms, with Number.isFinite 300 ms.
      if (mayBeInfinite ? Number.isNaN(x) : x - x !== 0) {
        throw new Error(
          `${name} holds ${x} at element ${i}, expected finite numbers, in ${where}`,
        );
      }
    }
  }
}

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

/** Whether `k` suits an architecture: whole for topk, a mean over the batch for batchtopk. */
export function validK(architecture: Architecture, k: unknown, dictSize: number): k is number {
  return typeof k === "number" && k > 0 && k <= dictSize &&
    (architecture !== "topk" || Number.isInteger(k));
}

/** The `k` that {@linkcode validK} wants, in words that the dictionary size completes. */
export function kRange(architecture: Architecture): string {
  return architecture === "topk" ? "a whole number from 1 to" : "a number above 0 and at most";
}
