/**
 * Reads CSV that arrives in pieces. Works a character at a time over runs found by `indexOf`-like
 * scans, so that a long text costs one pass.
 */
export class CsvReader {
  #separator: string;
  #rest = "";
  #line = 1;
  #first = true;

  constructor(separator = ",") {
    if (separator.length !== 1 || /["\r\n]/.test(separator)) {
      throw new TypeError(`Cannot use ${JSON.stringify(separator)} as the separator`);
    }
    this.#separator = separator;
  }

  /** Takes a piece of text; yields the rows that are complete. */
  push(chunk: string): Iterable<string[]> {
    if (this.#first && chunk !== "") {
      this.#first = false;
      if (chunk.charCodeAt(0) === 0xfeff) chunk = chunk.slice(1);
    }
    this.#rest += chunk;
    return this.#rows(false);
  }

  /** Yields what is left when the text has ended. */
  end(): Iterable<string[]> {
    return this.#rows(true);
  }

  *#rows(atEnd: boolean): Generator<string[]> {
    const text = this.#rest;
    let start = 0;
    while (start < text.length) {
      const found = this.#row(text, start, atEnd);
      if (found === undefined) break;
      start = found.end;
      // Empty lines are no rows.
      if (found.fields.length > 1 || found.fields[0] !== "" || found.quoted) yield found.fields;
    }
    this.#rest = text.slice(start);
  }

  /** The row at `start`, or undefined where the text may go on. */
  #row(
    text: string,
    start: number,
    atEnd: boolean,
  ): { fields: string[]; end: number; quoted: boolean } | undefined {
    const fields: string[] = [];
    let quoted = false;
    let at = start;
    let line = this.#line;
    const fail = (what: string): never => {
      throw new SyntaxError(`Syntax error on line ${line}: ${what}`);
    };
    while (true) {
      if (text[at] === '"') {
        quoted = true;
        let value = "";
        at++;
        while (true) {
          const quote = text.indexOf('"', at);
          if (quote < 0 || (quote + 1 === text.length && !atEnd)) {
            if (!atEnd) return undefined;
            fail('a quoted field has no closing "');
          }
          value += text.slice(at, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          value += '"';
          at++;
        }
        for (let i = value.indexOf("\n"); i >= 0; i = value.indexOf("\n", i + 1)) line++;
        fields.push(value.replaceAll("\r\n", "\n"));
      } else {
        const from = at;
        while (at < text.length && text[at] !== this.#separator && text[at] !== "\n") {
          if (text[at] === '"') fail('bare " in an unquoted field');
          at++;
        }
        if (at === text.length && !atEnd) return undefined;
        const value = text.slice(from, at);
        const atLineEnd = at === text.length || text[at] === "\n";
        fields.push(atLineEnd && value.endsWith("\r") ? value.slice(0, -1) : value);
      }
      if (text[at] === "\r" && (text[at + 1] === "\n" || at + 1 === text.length)) {
        if (at + 1 === text.length && !atEnd) return undefined;
        at++;
      }
      if (at >= text.length) {
        if (!atEnd) return undefined;
        this.#line = line;
        return { fields, end: text.length, quoted };
      }
      if (text[at] === "\n") {
        this.#line = line + 1;
        return { fields, end: at + 1, quoted };
      }
      if (text[at] !== this.#separator) fail(`unexpected ${JSON.stringify(text[at])} after a "`);
      at++;
    }
  }
}
