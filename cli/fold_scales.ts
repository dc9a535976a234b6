import { foldInputScale, type Sae } from "../mod.ts";

/**
 * SAEs that can be compared although each was trained with its own factor of the input ("expected_average_only_in"):
 * where the factors differ they are made part of the weights. SAEs that agree, and those with a
 * normalisation that weights cannot hold, come back as they are.
 */
export function foldScales(saes: readonly Sae[]): readonly Sae[] {
  const scales = new Set(saes.map(({ inputScale }) => inputScale));
  const foldable = saes.every(({ inputNormalization }) =>
    inputNormalization === "none" || inputNormalization === "expected_average_only_in"
  );
  return foldable && scales.size > 1 ? saes.map(foldInputScale) : saes;
}
