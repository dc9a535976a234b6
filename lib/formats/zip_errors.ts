import {
  ERR_AMBIGUOUS_ARCHIVE,
  ERR_BAD_FORMAT,
  ERR_EOCDR_NOT_FOUND,
  ERR_UNSAFE_FILENAME,
  type FileEntry,
} from "@zip.js/zip.js";

// What the package means, for those who do not know the format.
const meanings: Readonly<Record<string, string>> = {
  [ERR_BAD_FORMAT]: "it is too short for one",
  [ERR_EOCDR_NOT_FOUND]: "it has no end record (is it cut short, or no archive at all?)",
  [ERR_AMBIGUOUS_ARCHIVE]: "its directory, its headers and its bytes do not agree",
  [ERR_UNSAFE_FILENAME]: "the name of an entry leads out of it, or is none",
  // Those of DecompressionStream, in Deno and in browsers.
  "corrupt deflate stream": "its data is no deflate stream",
  "failed to write whole buffer": "its deflate stream ends before its data does",
};

/** The error of an entry that cannot be read. */
export function unreadable(path: string, { filename }: FileEntry, error: unknown): Error {
  return new Error(`${show(filename)} cannot be read in ${path}: ${meaning(error)}`, {
    cause: error,
  });
}

/** What an error of zip.js means. */
export function meaning(error: unknown): string {
  const { message } = error as Error;
  return meanings[message] ?? message;
}

/** Names come from the file: long ones are cut. */
export function show(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}
