import { checkWhole } from "../whole_number.ts";
import type { LanguageModel } from "./open_language_model.ts";
import { openStream } from "../batches.ts";
import { textPieces, type Texts } from "./text_pieces.ts";

/** Rows of tokens, all of one length: a stream or a list of them, or a function that gives them. */
export type TokenRows =
  | AsyncIterable<Int32Array>
  | Iterable<Int32Array>
  | (() => AsyncIterable<Int32Array> | Iterable<Int32Array>);

/** How texts become rows. */
export interface TokenRowOptions {
  /** Tokens in a row, the first of which is the model's BOS token. */
  contextLength: number;
  /** Rows after which to stop, default: all that the texts fill. */
  maxRows?: number;
}

/**
 * Packs texts into rows of exactly `contextLength` tokens without padding. The documents, separated
 * by BOS tokens, form one long line that is cut into pieces of `contextLength − 1`; a row is BOS and
 * one piece. What is left at the end is dropped, and so are empty documents.
 *
 * Documents of up to 2^20 UTF-16 units are tokenized whole. Longer ones are tokenized in pieces of at most that
 * length, cut at spaces where that changes no token of the 512 characters around; only where there is no such
 * space (one long word) the tokens beside a cut can be others than those of the whole document.
 *
 * @param model Gives the tokenizer, the BOS token and the longest context.
 * @param texts Documents, each as a string or, for long ones, as parts in order.
 * @param options Length and number of rows.
 * @throws Error when the texts do not fill one row: it says how many tokens there were.
 */
export function packTokenRows(
  model: Pick<LanguageModel, "id" | "tokenize" | "bosToken" | "maxContext">,
  texts: Texts,
  { contextLength, maxRows = Infinity }: TokenRowOptions,
): AsyncIterable<Int32Array> {
  checkWhole(contextLength, "contextLength", 2);
  if (contextLength > model.maxContext) {
    throw new Error(
      `contextLength is ${contextLength}, ${model.id} takes at most ${model.maxContext}`,
    );
  }
  if (!(maxRows > 0)) throw new Error(`maxRows is ${maxRows}, expected a number above 0`);
  // A string is an iterable of its characters: each would be packed as a document.
  if (typeof texts === "string") {
    throw new Error("texts is one string, expected a list or stream of documents: [text]");
  }
  return pack(model, texts, contextLength, maxRows);
}

async function* pack(
  { tokenize, bosToken }: Pick<LanguageModel, "tokenize" | "bosToken">,
  texts: Texts,
  contextLength: number,
  maxRows: number,
): AsyncGenerator<Int32Array> {
  let row = new Int32Array(contextLength).fill(bosToken);
  let filled = 1;
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
        filled = 1;
      }
    }
  }
  if (rows > 0) return;
  const wanted = `expected at least ${contextLength - 1} for one row of contextLength ` +
    `${contextLength} (the first token of a row is BOS)`;
  throw new Error(
    count === 0
      ? `the corpus has no text: ${documents} documents with 0 tokens, ${wanted}`
      : `the corpus has ${count} tokens, ${wanted}`,
  );
}
