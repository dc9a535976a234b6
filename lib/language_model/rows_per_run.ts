// 2,048 tokens: 16 rows of 128. Products run at full speed from some hundred rows on, and what a layer
// needs for 2,048 tokens is 32 KiB a token at d = 2,048 (its MLP), and as much for attention in 12 heads
// over 700 positions: 100 MiB together.
const tokensPerRun = 2048;

/**
 * Token rows of one call of a model where nothing is said: as many as 2,048 tokens fill, at least one.
 * Memory of a call goes with its tokens, that of attention with their number times the context length.
 *
 * @param contextLength Tokens of a row.
 */
export function defaultRowsPerRun(contextLength: number): number {
  return Math.max(1, Math.floor(tokensPerRun / contextLength));
}
