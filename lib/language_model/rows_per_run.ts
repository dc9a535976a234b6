import { openStream } from "../batches.ts";
import type { TokenRows } from "./token_rows.ts";
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

/**
 * Holds token rows in memory, 4 bytes a token.
 *
 * @param purpose What they are for, for the error.
 * @throws {RangeError} There are none, or they differ in length.
 */
export async function collectRows(
  tokenRows: TokenRows,
  purpose: string,
): Promise<Int32Array[]> {
  const rows: Int32Array[] = [];
  for await (const row of openStream(tokenRows)) {
    if (rows.length > 0 && row.length !== rows[0].length) {
      throw new RangeError(
        `token row ${rows.length} has ${row.length} tokens, the first ${rows[0].length}`,
      );
    }
    rows.push(row);
  }
  if (rows.length === 0) throw new RangeError(`there were no token rows to ${purpose}`);
  return rows;
}

/** Token rows of one length as the tokens of one call of a model, row after row. */
export function joinRows(rows: readonly Int32Array[]): Int32Array {
  const tokens = new Int32Array(rows.length * rows[0].length);
  rows.forEach((row, r) => tokens.set(row, r * row.length));
  return tokens;
}
