/** A document: its text, or the parts of a long text in order, cut between any two characters. */
export type TextDocument = string | AsyncIterable<string>;

/**
 * Documents: a stream, a list, or a function that returns them from the beginning. Functions that
 * read them more than once need a list or a function.
 */
export type Texts =
  | AsyncIterable<TextDocument>
  | Iterable<TextDocument>
  | (() => AsyncIterable<TextDocument> | Iterable<TextDocument>);

/** Longest text that is tokenized at once; transformers.js takes about 50 bytes per character. */
const LONGEST = 2 ** 20;

/** Characters on either side of a cut whose tokens must not change. */
const WINDOW = 256;
/** Number of positions of each kind that are tried. */
const TRIES = 16;

const SPACE = /\s/;

/**
 * Splits a document into pieces that are tokenized one by one; up to `longest` UTF-16 units it is one
 * piece. A longer one is cut at a space between two words, in the second half of a piece, where the
 * tokens of the 512 characters around the cut stay the same. The tokens of the pieces are then those
 * of the whole document, for tokenizers that first split text at white space, and for those that put a
 * space before each text (the space at the cut is then dropped). Without such a space (one word, a
 * language without spaces) other positions are tried; at last the document is cut at `longest`, which
 * can change the tokens next to the cut.
 *
 * The event loop runs between two pieces, so that abort signals are noticed.
 */
export async function* textPieces(
  document: TextDocument,
  tokenize: (text: string) => ArrayLike<number>,
  longest: number = LONGEST,
): AsyncGenerator<string> {
  let text = "";
  for await (const part of typeof document === "string" ? [document] : document) {
    text += part;
    let start = 0;
    while (text.length - start > longest) {
      const [end, next] = findCut(text, start, start + longest, tokenize);
      yield text.slice(start, end);
      start = next;
      await new Promise((resolve) => setTimeout(resolve));
    }
    text = text.slice(start);
  }
  if (text.length > 0) yield text;
}

/** Positions at which a piece ends and the next one begins; a space between them is dropped. */
function findCut(
  text: string,
  start: number,
  end: number,
  tokenize: (text: string) => ArrayLike<number>,
): [end: number, next: number] {
  const from = start + Math.ceil((end - start) / 2);
  const last = Math.max(from, end - WINDOW);
  for (const places of [spaces, borders, characters]) {
    let tries = 0;
    for (const at of places(text, from, last)) {
      for (const next of text[at] === " " ? [at, at + 1] : [at]) {
        if (keepsTokens(text, at, next, tokenize)) return [at, next];
      }
      if (++tries === TRIES) break;
    }
  }
  const at = isInside(text, end) ? end - 1 : end;
  return [at, at];
}

function keepsTokens(
  text: string,
  end: number,
  next: number,
  tokenize: (text: string) => ArrayLike<number>,
): boolean {
  const [from, to] = [Math.max(0, end - WINDOW), next + WINDOW];
  const whole = tokenize(text.slice(from, to));
  const left = tokenize(text.slice(from, end));
  const right = tokenize(text.slice(next, to));
  if (left.length + right.length !== whole.length) return false;
  return Array.from(left).concat(Array.from(right)).every((token, at) => token === whole[at]);
}

/** Positions of single spaces between two words, from the last. */
function* spaces(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) {
    if (text[at] === " " && !SPACE.test(text[at - 1]) && !SPACE.test(text[at + 1])) yield at;
  }
}

/** Positions of ends of words, from the last. */
function* borders(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) {
    if (SPACE.test(text[at]) && !SPACE.test(text[at - 1])) yield at;
  }
}

/** Positions between any two characters, from the last. */
function* characters(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) if (!isInside(text, at)) yield at;
}

/** Whether a position is inside a surrogate pair. */
function isInside(text: string, at: number): boolean {
  return /[\udc00-\udfff]/.test(text[at] ?? "") && /[\ud800-\udbff]/.test(text[at - 1] ?? "");
}
