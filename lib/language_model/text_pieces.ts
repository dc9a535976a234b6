/** A document: its text, or the parts of a long one in order, cut anywhere between two characters. */
export type TextDocument = string | AsyncIterable<string>;

/**
 * Documents: a stream or a list of them, or a function that gives them from the beginning. What reads
 * them more than once needs a list or a function.
 */
export type Texts =
  | AsyncIterable<TextDocument>
  | Iterable<TextDocument>
  | (() => AsyncIterable<TextDocument> | Iterable<TextDocument>);

/** Longest text that is tokenized at once: transformers.js takes about 50 bytes for each of its characters. */
const LONGEST = 2 ** 20;

/** Characters on either side of a cut that have to give the same tokens as in one piece. */
const WINDOW = 256;
/** Places of each kind that are tried. */
const TRIES = 16;

const SPACE = /\s/;

/**
 * The pieces of a document that are tokenized one by one. Up to `longest` UTF-16 units it is one piece. A longer
 * one is cut at a space between two words, in the second half of a piece, where the tokens of the 512
 * characters around the cut are the same as uncut: so the tokens of the pieces are those of the whole
 * for tokenizers that split text at white space first, and for those that put a space before each text (the
 * space at the cut is left out then). Where no space does (one word, a language without spaces), other
 * places are tried, and at last the document is cut at `longest`, which can change the tokens beside the cut.
 *
 * Between two pieces the event loop runs: signals are seen.
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

/** Where a piece ends and the next one begins. */
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

/** Single spaces between two words, from the last. */
function* spaces(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) {
    if (text[at] === " " && !SPACE.test(text[at - 1]) && !SPACE.test(text[at + 1])) yield at;
  }
}

/** Ends of words, from the last. */
function* borders(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) {
    if (SPACE.test(text[at]) && !SPACE.test(text[at - 1])) yield at;
  }
}

/** Any place between two characters, from the last. */
function* characters(text: string, from: number, last: number): Generator<number> {
  for (let at = last; at >= from; at--) if (!isInside(text, at)) yield at;
}

/** Whether a place is inside a surrogate pair. */
function isInside(text: string, at: number): boolean {
  return /[\udc00-\udfff]/.test(text[at] ?? "") && /[\ud800-\udbff]/.test(text[at - 1] ?? "");
}
