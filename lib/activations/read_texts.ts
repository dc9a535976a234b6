import { CsvParseStream } from "@std/csv";
import { regularFileSize } from "../language_model/regular_file.ts";
import type { TextDocument } from "../language_model/text_pieces.ts";
import { findTextFiles, type TextFile } from "./find_text_files.ts";

/** Options of {@linkcode readTexts} and {@linkcode readDocuments}. */
export interface ReadTextsOptions {
  /** Field of a .jsonl object, or column of a .csv file, that holds the text; "text" if not given. */
  field?: string;
}

/** Longest line of a .jsonl file and row of a .csv file, UTF-16 units. */
const LONGEST_LINE = 64 * 2 ** 20;
/** Longest .txt file that is given as one string. */
const LONGEST_TEXT = 256 * 2 ** 20;

/**
 * Reads documents from files: a .txt file is one, each line of a .jsonl file and each row of a .csv
 * file (which begins with a row of column names) is one. Each may be compressed (.gz). A folder
 * stands for all such files in it and below, sorted by name; other files in it are left out. A file
 * without extension is read as .txt where it is named itself.
 *
 * Lines and rows are held whole, up to 64 Mi characters, and so are .txt files, up to 256 Mi:
 * {@linkcode readDocuments} reads those of any length.
 *
 * @param pathOrGlob A file, a folder, a glob (`data/**\/*.jsonl.gz`), or several of them.
 * @throws {Error} While documents are taken: nothing matches, or a file cannot be read: it is not
 * UTF-8, its gzip stream is cut short, a line is not JSON, has no such field or is too long. The message
 * names file and line.
 *
 * @example
 * ```ts ignore
 * for await (const text of readTexts("corpus.jsonl.gz")) console.log(text.length);
 * ```
 */
export async function* readTexts(
  pathOrGlob: string | string[],
  options: ReadTextsOptions = {},
): AsyncGenerator<string> {
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "txt") yield await readWhole(file);
    else yield* readRecords(file, options);
  }
}

/**
 * Reads documents as {@linkcode readTexts} does, .txt files in parts of some 64 KiB: a corpus in one file takes
 * no more memory than one in many. `packTokenRows`, `streamActivations` and `orderedActivations` take them.
 *
 * @throws {Error} As `readTexts` does.
 */
export async function* readDocuments(
  pathOrGlob: string | string[],
  options: ReadTextsOptions = {},
): AsyncGenerator<TextDocument> {
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "txt") yield decode(file);
    else yield* readRecords(file, options);
  }
}

function readRecords(file: TextFile, { field = "text" }: ReadTextsOptions): AsyncGenerator<string> {
  return file.kind === "csv" ? readCsv(file, field) : readJsonLines(file, field);
}

async function readWhole(file: TextFile): Promise<string> {
  const parts: string[] = [];
  let length = 0;
  for await (const part of decode(file)) {
    parts.push(part);
    length += part.length;
    if (length > LONGEST_TEXT) {
      throw new Error(
        `${file.path} has more than ${LONGEST_TEXT} characters, too many for one string: ` +
          `readDocuments reads it in parts`,
      );
    }
  }
  return parts.join("");
}

async function* readJsonLines(file: TextFile, field: string): AsyncGenerator<string> {
  let number = 0;
  for await (const line of lines(file)) {
    number++;
    if (line.trim() === "") continue;
    const where = `line ${number} of ${file.path}`;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (error) {
      throw new Error(`${where} is not JSON: ${(error as Error).message}`, { cause: error });
    }
    if (typeof record !== "object" || record === null || Array.isArray(record)) {
      throw new Error(`${where} is not a JSON object, expected {"${field}": "…"}`);
    }
    const text = (record as Record<string, unknown>)[field];
    if (text === undefined) throw missing(where, "field", field, record);
    if (typeof text !== "string") {
      throw new Error(`field "${field}" is a ${typeof text}, expected a string, in ${where}`);
    }
    yield text;
  }
}

async function* readCsv(file: TextFile, column: string): AsyncGenerator<string> {
  // Characters since the last row: a quote that is not closed takes in all that follows.
  let length = 0;
  let number = 1;
  async function* wholeLines(): AsyncGenerator<string> {
    // The parser searches what it holds again with each part that ends no line: all of it for each 64 KiB.
    let parts: string[] = [];
    for await (const part of decode(file)) {
      length += part.length;
      if (length > LONGEST_LINE) throw tooLong(`row ${number + 1} of ${file.path}`);
      const end = part.lastIndexOf("\n") + 1;
      if (end > 0) {
        parts.push(part.slice(0, end));
        yield parts.join("");
        parts = [];
      }
      parts.push(part.slice(end));
    }
    yield parts.join("");
  }
  const rows = ReadableStream.from(wholeLines())
    .pipeThrough(new CsvParseStream({ skipFirstRow: true }));
  try {
    for await (const row of rows as AsyncIterable<Record<string, string>>) {
      length = 0;
      number++;
      const text = row[column];
      if (text === undefined) throw missing(file.path, "column", column, row);
      yield text;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`${file.path} is not CSV: ${error.message}`, { cause: error });
  }
}

function tooLong(where: string): Error {
  return new Error(
    `${where} is longer than ${LONGEST_LINE} characters: expected one document a line (is a line ` +
      `end or a quote missing?)`,
  );
}

function missing(where: string, what: string, name: string, record: object): Error {
  const found = Object.keys(record).slice(0, 20).join(", ") || "none";
  return new Error(`${where} has no ${what} "${name}", found ${found}`);
}

/** Lines of a file, without their ends. A line's pieces are joined once, however long it is. */
async function* lines(file: TextFile): AsyncGenerator<string> {
  let pieces: string[] = [];
  let number = 1;
  let length = 0;
  for await (const chunk of decode(file)) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      pieces.push(chunk.slice(start, end));
      yield pieces.join("");
      pieces = [];
      start = end + 1;
      number++;
      length = 0;
    }
    pieces.push(chunk.slice(start));
    length += chunk.length - start;
    if (length > LONGEST_LINE) throw tooLong(`line ${number} of ${file.path}`);
  }
  yield pieces.join("");
}

async function* decode({ path, gzip }: TextFile): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  const text = (chunk?: Uint8Array<ArrayBuffer>): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (error) {
      throw new Error(
        `${path} is not UTF-8 (after ${bytes} bytes or more): save it as UTF-8`,
        { cause: error },
      );
    }
  };
  for await (const chunk of readBytes(path, gzip)) {
    yield text(chunk);
    bytes += chunk.length;
  }
  yield text();
}

async function* readBytes(path: string, gzip: boolean): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  try {
    regularFileSize(path);
    const file = await Deno.open(path);
    yield* gzip ? file.readable.pipeThrough(new DecompressionStream("gzip")) : file.readable;
  } catch (error) {
    const isGzip = gzip && error instanceof TypeError;
    throw new Error(
      isGzip
        ? `${path} is not one whole gzip stream (cut short, damaged, or several in a row)`
        : `cannot read ${path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
