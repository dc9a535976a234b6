import type { ReadableModel } from "./encode_rows.ts";
import type { LatentContext } from "./latent_contexts.ts";

/** A stretch of text in which a latent is active. */
export interface LatentExample {
  /** Number of the token row it comes from. */
  row: number;
  /** Position of the peak in that row. */
  position: number;
  /** Texts of the tokens around the peak. */
  tokens: string[];
  /** The latent's activation at each of these tokens; 0 where it is inactive. */
  activations: Float32Array;
  /** Index of the peak in `tokens` and `activations`. */
  peak: number;
}

/**
 * The text of a context.
 *
 * @param rows The token rows that contexts are of.
 * @param positions The positions of a row that were measured.
 */
export function latentExample(
  { row, start, peak, activations }: LatentContext,
  rows: readonly Int32Array[],
  positions: readonly number[],
  model: Pick<ReadableModel, "tokenText">,
): LatentExample {
  const tokens = Array.from(
    activations,
    (_, i) => model.tokenText(rows[row][positions[start + i]]),
  );
  return { row, position: positions[start + peak], tokens, activations, peak };
}
