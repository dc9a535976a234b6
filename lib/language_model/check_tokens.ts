import type { Matrix } from "../matrix.ts";
import { checkWhole, isWhole } from "../whole_number.ts";

/** Which tokens a model accepts. */
export interface TokenLimits {
  /** Name of the model in error messages. */
  id: string;
  /** Number of tokens in the vocabulary; ids are below it. */
  vocabSize: number;
  /** Length of the shortest row, in tokens. */
  minContext: number;
  /** Length of the longest row, in tokens. */
  maxContext: number;
}

/**
 * Checks that `tokens` holds `rows` rows of equal length with token ids of the vocabulary.
 *
 * @throws {RangeError} `rows` is not a whole number above 0.
 * @throws {Error} The length or a token id is out of range.
 */
export function checkTokens(
  tokens: Int32Array,
  rows: number,
  { id, vocabSize, minContext, maxContext }: TokenLimits,
): void {
  checkWhole(rows, "rows");
  const length = tokens.length / rows;
  if (!isWhole(length, minContext)) {
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

/**
 * Checks that a matrix can replace the activations of `tokens` tokens.
 *
 * @throws {Error} It is not [tokens, d].
 */
export function checkReplacement({ data, rows, cols }: Matrix, tokens: number, d: number): void {
  if (rows === tokens && cols === d && data.length === tokens * d) return;
  throw new Error(
    `replacement is [${rows}, ${cols}] with ${data.length} numbers, expected ` +
      `[rows * context length, dModel] = [${tokens}, ${d}]`,
  );
}
