import { CsvParseStream } from "@std/csv";
import { regularFileSize } from "../language_model/regular_file.ts";
import type { TextFile } from "./find_text_files.ts";
import { missingField } from "./missing_field.ts";
import { readParquet } from "./read_parquet.ts";

/** Longest line of a .jsonl file and row of a .csv file, in UTF-16 units. */
const MAX_LINE = 64 * 2 ** 20;

/**
 * Fields of each line of a .jsonl file, or columns of each row of a .csv or .parquet file, in order.
 *
 * @param fields Their names. Fields after the first (labels) may be numbers or booleans, which become
 * strings.
 * @throws {Error} While records are read: the file cannot be read, or a record lacks a field or has a
 * value of another type. The message names file and line.
 */
export function readRecords(
  file: TextFile,
  fields: readonly string[],
): AsyncGenerator<string[]> {
  if (file.kind === "parquet") return readParquet(file.path, fields);
  return file.kind === "csv" ? readCsv(file, fields) : readJsonLines(file, fields);
}

async function* readJsonLines(
  file: TextFile,
  fields: readonly string[],
): AsyncGenerator<string[]> {
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
      throw new Error(`${where} is not a JSON object, expected {"${fields[0]}": "…"}`);
    }
    yield fields.map((field, i) => {
      const value = (record as Record<string, unknown>)[field];
      if (value === undefined) throw missingField(where, "field", field, Object.keys(record));
      // The first field is the text; the others are labels.
      if (typeof value === "string") return value;
      if (i > 0 && (typeof value === "number" || typeof value === "boolean")) return String(value);
      const kind = value === null
        ? "null"
        : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`;
      throw new Error(`field "${field}" is ${kind}, expected a string, in ${where}`);
    });
  }
}

async function* readCsv(file: TextFile, columns: readonly string[]): AsyncGenerator<string[]> {
  // Characters since the last row: after an unclosed quote the row does not end.
  let length = 0;
  let number = 1;
  async function* wholeLines(): AsyncGenerator<string> {
    // The parser searches its whole buffer again at each part without a line end: pass whole lines.
    let parts: string[] = [];
    for await (const part of decodeText(file)) {
      length += part.length;
      if (length > MAX_LINE) throw tooLong(`row ${number + 1} of ${file.path}`);
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
      yield columns.map((column) => {
        if (row[column] === undefined) {
          throw missingField(file.path, "column", column, Object.keys(row));
        }
        return row[column];
      });
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`${file.path} is not CSV: ${error.message}`, { cause: error });
  }
}

function tooLong(where: string): Error {
  return new Error(
    `${where} is longer than ${MAX_LINE} characters: expected one document per line (is a line ` +
      `end or a quote missing?)`,
  );
}

/** Lines of a file, without line ends. A line's parts are joined once, in time linear in its length. */
async function* lines(file: TextFile): AsyncGenerator<string> {
  let pieces: string[] = [];
  let number = 1;
  let length = 0;
  for await (const chunk of decodeText(file)) {
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
    if (length > MAX_LINE) throw tooLong(`line ${number} of ${file.path}`);
  }
  yield pieces.join("");
}

/** Parts of a text file, some 64 KiB each. */
export async function* decodeText({ path, gzip }: TextFile): AsyncGenerator<string> {
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
        ? `${path} is not one complete gzip stream (truncated, damaged, or several in a row)`
        : `cannot read ${path}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
