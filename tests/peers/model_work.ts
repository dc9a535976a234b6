/** Sizes of a decoder with gated MLPs, as its config.json has them. */
export interface DecoderSizes {
  hidden_size: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  /** `hidden_size` / `num_attention_heads` if not given. */
  head_dim?: number;
  intermediate_size: number;
  vocab_size: number;
}

/**
 * Operations (multiplications and additions) of a decoder's products per token: 2 per weight, and in attention
 * 4 · context length per head and its width, since exports and PyTorch compute the masked half as well.
 *
 * @param layers Layers that are run.
 * @param length Tokens of a row.
 * @param losses Whether the next tokens' losses are computed, by every position of a row but the last.
 */
export function operationsPerToken(
  sizes: DecoderSizes,
  { layers, length, losses }: { layers: number; length: number; losses: boolean },
): number {
  const { hidden_size: d, num_attention_heads: heads, num_key_value_heads: shared } = sizes;
  const width = sizes.head_dim ?? d / heads;
  const attention = 2 * d * width * (heads + shared);
  const layer = 2 * (attention + 3 * d * sizes.intermediate_size) + 4 * length * heads * width;
  return layers * layer + (losses ? 2 * d * sizes.vocab_size * (length - 1) / length : 0);
}
