import { checkWhole } from "../whole_number.ts";
import type { LanguageModel } from "./open_language_model.ts";
import { openStream } from "../batches.ts";
import { textPieces, type Texts } from "./text_pieces.ts";

/** Rows of tokens, all of one length: a stream or a list of them, or a function that gives them. */
export type TokenRows =
  | AsyncIterable<Int32Array>
  | Iterable<Int32Array>
  | (() => AsyncIterable<Int32Array> | Iterable<Int32Array>);

/** Options of {@linkcode packTokenRows}. */
export interface TokenRowOptions {
  /** Tokens in a row. */
  contextLength: number;
  /** Whether the first token of each row is the model's BOS token; true if not given. */
  prependBos?: boolean;
  /** Largest number of rows, default all that the texts fill. */
  maxRows?: number;
}

/**
 * Packs texts into rows of exactly `contextLength` tokens without padding. The documents, separated
 * by BOS tokens, are concatenated and cut into pieces of `contextLength − 1`; a row is BOS and one
 * piece. Without `prependBos` the rows are pieces of `contextLength`. An incomplete last piece and empty
 * documents are dropped.
 *
 * Documents of up to 2^20 UTF-16 units are tokenized as a whole, longer ones in pieces of at most that
 * length, cut at spaces where the tokens of the 512 characters around the cut stay the same. Without
 * such a space (one long word) the tokens next to a cut can differ.
 *
 * @param model Its tokenizer, BOS token and longest context are used.
 * @param texts Documents, each as a string or, for long ones, as parts in order.
 * @param options Length and number of rows.
 * @throws {RangeError} `contextLength` is not a whole number from 2 (from 1 without BOS).
 * @throws {Error} `contextLength` is longer than the model takes, or the texts do not fill one row.
 */
export function packTokenRows(
  model: Pick<LanguageModel, "id" | "tokenize" | "bosToken" | "maxContext">,
  texts: Texts,
  { contextLength, prependBos = true, maxRows = Infinity }: TokenRowOptions,
): AsyncIterable<Int32Array> {
  checkWhole(contextLength, "contextLength", prependBos ? 2 : 1);
  if (contextLength > model.maxContext) {
    throw new Error(
      `contextLength is ${contextLength}, ${model.id} takes at most ${model.maxContext}`,
    );
  }
  if (!(maxRows > 0)) throw new Error(`maxRows is ${maxRows}, expected a number above 0`);
  // A string is an iterable: each of its characters would be a document.
  if (typeof texts === "string") {
    throw new Error("texts is one string, expected a list or stream of documents: [text]");
  }
  return pack(model, texts, { contextLength, prependBos, maxRows });
}

async function* pack(
  { tokenize, bosToken }: Pick<LanguageModel, "tokenize" | "bosToken">,
  texts: Texts,
  { contextLength, prependBos, maxRows }: Required<TokenRowOptions>,
): AsyncGenerator<Int32Array> {
  const begin = prependBos ? 1 : 0;
  let row = new Int32Array(contextLength).fill(bosToken);
  let filled = begin;
  let documents = 0;
  let count = 0;
  let rows = 0;
  for await (const text of openStream(texts)) {
    documents++;
    let separated = count === 0;
    for await (const piece of textPieces(text, tokenize)) {
      const tokens = tokenize(piece);
      if (tokens.length === 0) continue;
      const separator = separated ? 0 : 1;
      separated = true;
      count += separator + tokens.length;
      for (let i = -separator; i < tokens.length; i++) {
        row[filled++] = i < 0 ? bosToken : tokens[i];
        if (filled < contextLength) continue;
        yield row;
        if (++rows >= maxRows) return;
        row = new Int32Array(contextLength).fill(bosToken);
        filled = begin;
      }
    }
  }
  if (rows > 0) return;
  const wanted = `expected at least ${contextLength - begin} for one row of contextLength ` +
    `${contextLength}${prependBos ? " (the first token of a row is BOS)" : ""}`;
  throw new Error(
    count === 0
      ? `the corpus has no text: ${documents} documents with 0 tokens, ${wanted}`
      : `the corpus has ${count} tokens, ${wanted}`,
  );
}

// 16 rows of 128. Products run at full speed from some hundred tokens on. A layer takes 32 KiB per
// token at d = 2,048 (MLP), and as much for attention with 12 heads over 700 positions: 100 MiB.
const tokensPerRun = 2048;

/**
 * Default number of token rows per call of a model: 2,048 tokens, at least one row. Memory of a call
 * grows with its tokens, that of attention with tokens times context length.
 *
 * @param contextLength Tokens per row.
 */
export function defaultRowsPerRun(contextLength: number): number {
  return Math.max(1, Math.floor(tokensPerRun / contextLength));
}

/**
 * Reads token rows into memory, 4 bytes per token.
 *
 * @param purpose What they are for, in the error message.
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

/** Concatenates token rows of equal length, for one call of a model. */
export function joinRows(rows: readonly Int32Array[]): Int32Array {
  const tokens = new Int32Array(rows.length * rows[0].length);
  rows.forEach((row, r) => tokens.set(row, r * row.length));
  return tokens;
}
