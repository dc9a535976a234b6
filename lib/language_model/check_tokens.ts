import type { Matrix } from "../matrix.ts";
import { checkWhole } from "../whole_number.ts";

/** What tokens a model takes. */
export interface TokenLimits {
  /** Name of the model in error messages. */
  id: string;
  /** Token ids are below it. */
  vocabSize: number;
  /** Shortest row. */
  minContext: number;
  /** Longest row. */
  maxContext: number;
}

/**
 * Checks that `tokens` is `rows` full rows of token ids that the model knows. Throws Error saying
 * what was found and what is wanted.
 */
export function checkTokens(
  tokens: Int32Array,
  rows: number,
  { id, vocabSize, minContext, maxContext }: TokenLimits,
): void {
  checkWhole(rows, "rows");
  const length = tokens.length / rows;
  if (!Number.isInteger(length) || length < minContext) {
    throw new Error(
      `tokens has ${tokens.length} ids, expected rows = ${rows} times a context length ` +
        `from ${minContext}`,
    );
  }
  if (length > maxContext) {
    throw new Error(`the context length is ${length}, ${id} takes at most ${maxContext}`);
  }
  const wrong = tokens.findIndex((token) => token < 0 || token >= vocabSize);
  if (wrong >= 0) {
    throw new Error(
      `token ${tokens[wrong]} in row ${Math.floor(wrong / length)}, position ${wrong % length}, ` +
        `is out of range: the vocabulary has ${vocabSize} tokens`,
    );
  }
}

/** Checks that a matrix can stand in for the stream of `tokens` tokens. Throws Error if not. */
export function checkReplacement({ data, rows, cols }: Matrix, tokens: number, d: number): void {
  if (rows === tokens && cols === d && data.length === tokens * d) return;
  throw new Error(
    `replacement is [${rows}, ${cols}] with ${data.length} numbers, expected ` +
      `[rows * context length, dModel] = [${tokens}, ${d}]`,
  );
}
