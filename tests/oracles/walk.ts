// Walks through sparse entries in plain float64, one entry after the other.
import type { Walk } from "../../lib/ops/walk.ts";

/** The dot product of every entry's row with the residual at that point, and the final residual of each row. */
export function walk(
  { rows, base, rowOffsets, latents, values, restart }: Walk,
  decoder: ArrayLike<number>,
): { dots: Float64Array; residual: Float64Array } {
  const d = base.length / rows;
  const dots = new Float64Array(latents.length);
  const residual = Float64Array.from(base);
  for (let row = 0; row < rows; row++) {
    for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
      for (let c = 0; c < d; c++) {
        if (restart?.[at]) residual[row * d + c] = base[row * d + c];
        dots[at] += residual[row * d + c] * decoder[latents[at] * d + c];
      }
      for (let c = 0; c < d; c++) {
        residual[row * d + c] -= values[at] * decoder[latents[at] * d + c];
      }
    }
  }
  return { dots, residual };
}
