import type { TextDocument } from "../language_model/text_pieces.ts";
import { findTextFiles, type TextFile } from "./find_text_files.ts";
import { decodeText, readRecords } from "./text_records.ts";

/** Options of {@linkcode readTexts} and {@linkcode readDocuments}. */
export interface ReadTextsOptions {
  /** Field of a .jsonl object, or column of a .csv or .parquet file, that holds the text; "text" if not given. */
  field?: string;
}

/** Longest .txt file that is returned as one string, in UTF-16 units. */
const MAX_TEXT = 256 * 2 ** 20;

/**
 * Reads documents from files: one per .txt file, per line of a .jsonl file, per row of a .csv file (whose
 * first row has the column names) and of a .parquet file. Text files may be compressed (.gz). Folders are
 * read recursively, sorted by name; files of other formats in them are ignored. A file without extension
 * is read as .txt if it is named explicitly.
 *
 * Lines and rows are read as a whole, up to 64 Mi characters, and .txt files up to 256 Mi;
 * {@linkcode readDocuments} reads .txt files of any length.
 *
 * @param pathOrGlob A file, a folder, a glob (`data/**\/*.jsonl.gz`), or several of them.
 * @throws {Error} While documents are read: nothing matches, or a file cannot be read: it is not
 * UTF-8, its gzip stream is truncated, a line is not JSON, has no such field or is too long. The message
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
    else yield* readField(file, options);
  }
}

/**
 * Reads documents as {@linkcode readTexts} does, but .txt files in parts of some 64 KiB, so that a large
 * file takes no more memory than small ones. `packTokenRows`, `streamActivations` and `orderedActivations`
 * accept them.
 *
 * @throws {Error} As `readTexts` does.
 */
export async function* readDocuments(
  pathOrGlob: string | string[],
  options: ReadTextsOptions = {},
): AsyncGenerator<TextDocument> {
  for (const file of await findTextFiles(pathOrGlob)) {
    if (file.kind === "txt") yield decodeText(file);
    else yield* readField(file, options);
  }
}

async function readWhole(file: TextFile): Promise<string> {
  const parts: string[] = [];
  let length = 0;
  for await (const part of decodeText(file)) {
    parts.push(part);
    length += part.length;
    if (length > MAX_TEXT) {
      throw new Error(
        `${file.path} has more than ${MAX_TEXT} characters, too many for one string: ` +
          `readDocuments reads it in parts`,
      );
    }
  }
  return parts.join("");
}

async function* readField(
  file: TextFile,
  { field = "text" }: ReadTextsOptions,
): AsyncGenerator<string> {
  for await (const [text] of readRecords(file, [field])) yield text;
}
