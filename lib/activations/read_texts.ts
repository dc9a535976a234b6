import { CsvParseStream } from "@std/csv";
import { findTextFiles, type TextFile } from "./find_text_files.ts";

/** Options of {@linkcode readTexts}. */
export interface ReadTextsOptions {
  /** Field of a .jsonl object, or column of a .csv file, that holds the text; "text" if not given. */
  field?: string;
}

/**
 * Reads documents from files: a .txt file is one, each line of a .jsonl file and each row of a .csv
 * file (which begins with a row of column names) is one. Each may be compressed (.gz). A folder
 * stands for all such files in it and below, sorted by name; other files in it are left out. A file
 * without extension is read as .txt where it is named itself. Only .txt files are held whole.
 *
 * @param pathOrGlob A file, a folder, a glob (`data/**\/*.jsonl.gz`), or several of them.
 * @throws {Error} While documents are taken: nothing matches, or a file cannot be read: it is not
 * UTF-8, its gzip stream is cut short, a line is not JSON or has no such field. The message names
 * file and line.
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
  const { field = "text" } = options;
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "jsonl") yield* readJsonLines(file, field);
    else if (file.kind === "csv") yield* readCsv(file, field);
    else yield (await Array.fromAsync(decode(file))).join("");
  }
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
  const rows = ReadableStream.from(decode(file))
    .pipeThrough(new CsvParseStream({ skipFirstRow: true }));
  try {
    for await (const row of rows as AsyncIterable<Record<string, string>>) {
      const text = row[column];
      if (text === undefined) throw missing(file.path, "column", column, row);
      yield text;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`${file.path} is not CSV: ${error.message}`, { cause: error });
  }
}

function missing(where: string, what: string, name: string, record: object): Error {
  const found = Object.keys(record).slice(0, 20).join(", ") || "none";
  return new Error(`${where} has no ${what} "${name}", found ${found}`);
}

/** Lines of a file, without their ends. A line's pieces are joined once, however long it is. */
async function* lines(file: TextFile): AsyncGenerator<string> {
  let pieces: string[] = [];
  for await (const chunk of decode(file)) {
    let start = 0;
    for (let end = chunk.indexOf("\n"); end >= 0; end = chunk.indexOf("\n", start)) {
      pieces.push(chunk.slice(start, end));
      yield pieces.join("");
      pieces = [];
      start = end + 1;
    }
    pieces.push(chunk.slice(start));
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
