import { checkSae } from "./check.ts";
import type { Sae } from "./sae.ts";

/**
 * The same function without a normalisation: an SAE that reads s·x ("expected_average_only_in", s being its
 * `inputScale`) becomes one that reads x, with encoder rows s·w, decoder rows w / s and decoder bias b / s.
 * Activations and thresholds stay. SAEs with other scales can be stitched once they are folded.
 *
 * @returns A new SAE; one without a normalisation comes back as it is.
 * @throws {RangeError} Its normalisation depends on the sample, so that no weights can do its work.
 */
export function foldInputScale(sae: Sae): Sae {
  checkSae(sae);
  if (sae.inputNormalization === "none") return sae;
  const { inputScale: scale, ...rest } = sae;
  if (sae.inputNormalization !== "expected_average_only_in" || scale === undefined) {
    throw new RangeError(
      `sae.inputNormalization is ${sae.inputNormalization}, expected expected_average_only_in: ` +
        `others scale each sample by itself`,
    );
  }
  return {
    ...rest,
    wEnc: sae.wEnc.map((w) => w * scale),
    wDec: sae.wDec.map((w) => w / scale),
    bDec: sae.bDec.map((b) => b / scale),
    inputNormalization: "none",
  };
}
