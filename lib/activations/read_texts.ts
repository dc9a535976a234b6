import type { TextDocument } from "../language_model/text_pieces.ts";
import { findTextFiles, type TextFile } from "./find_text_files.ts";
import { decodeText, readRecords } from "./text_records.ts";

/** Options of {@linkcode readTexts} and {@linkcode readDocuments}. */
export interface ReadTextsOptions {
  /** Field of a .jsonl object, or column of a .csv or .parquet file, that holds the text; "text" if not given. */
  field?: string;
}

/** Longest .txt file that is returned as one string. */
const LONGEST_TEXT = 256 * 2 ** 20;

/**
 * Reads documents from files: a .txt file is one, each line of a .jsonl file and each row of a .csv
 * file (which begins with a row of column names) is one. Each may be compressed (.gz). A folder
 * stands for all such files in it and below, sorted by name; other files in it are ignored. A file without
 * extension is read as .txt where it is named explicitly.
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
    else yield* readField(file, options);
  }
}

/**
 * Reads documents as {@linkcode readTexts} does, .txt files in parts of some 64 KiB: a corpus in one large file
 * takes no more memory than many small files. `packTokenRows`, `streamActivations` and `orderedActivations`
 * take them.
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
    if (length > LONGEST_TEXT) {
      throw new Error(
        `${file.path} has more than ${LONGEST_TEXT} characters, too many for one string: ` +
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
