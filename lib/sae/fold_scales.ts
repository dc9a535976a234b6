import { foldInputScale } from "./fold_input_scale.ts";
import type { Sae } from "./sae.ts";

/**
 * SAEs that can be stitched although each was trained with its own scale of the input
 * ("expected_average_only_in"): where the scales differ they are made part of the weights. SAEs that
 * agree, and those with a normalisation that weights cannot hold, come back as they are.
 *
 * @example
 * ```ts ignore
 * const [small, large] = foldScales([await loadSae("runs/small/sae"), await loadSae("runs/large/sae")]);
 * const study = await studyPair(device, small, large, batches);
 * ```
 */
export function foldScales(saes: readonly Sae[]): readonly Sae[] {
  const scales = new Set(saes.map(({ inputScale }) => inputScale));
  const foldable = saes.every(({ inputNormalization }) =>
    inputNormalization === "none" || inputNormalization === "expected_average_only_in"
  );
  return foldable && scales.size > 1 ? saes.map(foldInputScale) : saes;
}
