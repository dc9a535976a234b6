import type { Decomposition } from "../meta/decompose.ts";
import { metaLatentsOf } from "../meta/read_decomposition.ts";

/**
 * Latents to show taken apart: of those with several meta-latents the ones with the smallest squared
 * error, first with a strongest meta-latent each that none of the others has, then whichever are left.
 *
 * @param count Most latents.
 * @param suits Whether a latent may be chosen (default: all may).
 */
export function chooseDecomposed(
  decomposition: Decomposition,
  count: number,
  suits: (latent: number) => boolean = () => true,
): number[] {
  const { latents: { rows, rowOffsets }, squaredErrors } = decomposition;
  const several = Array.from({ length: rows }, (_, latent) => latent)
    .filter((latent) => rowOffsets[latent + 1] - rowOffsets[latent] > 1 && suits(latent))
    .sort((a, b) => squaredErrors[a] - squaredErrors[b] || a - b);
  const used = new Set<number>();
  const own = several.filter((latent) => {
    const strongest = metaLatentsOf(decomposition, latent)[0].latent;
    return !used.has(strongest) && used.add(strongest);
  });
  const first = new Set(own);
  return [...own, ...several.filter((latent) => !first.has(latent))].slice(0, count);
}

/** The meta-latents with the largest sum of weights, largest first; those that none uses are left out. */
export function chooseMetaLatents({ metaLatents }: Decomposition, count: number): number[] {
  const { rows, rowOffsets, values } = metaLatents;
  const sums = Array.from(
    { length: rows },
    (_, row) =>
      values.subarray(rowOffsets[row], rowOffsets[row + 1]).reduce((sum, v) => sum + v, 0),
  );
  return [...sums.keys()].filter((row) => sums[row] > 0)
    .sort((a, b) => sums[b] - sums[a] || a - b).slice(0, count);
}
