import { configure, type FileEntry, Reader, ZipReader } from "@zip.js/zip.js";
import type { FileHandle } from "node:fs/promises";
import { readRange } from "./read_range.ts";
import { type ByteStream, openContent } from "./zip_content.ts";
import { meaning, show } from "./zip_errors.ts";

/** A file inside a zip archive. */
export interface ZipEntry {
  /** Its name. */
  name: string;
  /** Bytes of its content, as the archive says; reading checks it. */
  size: number;
  /** Its content from the begin on. */
  open(): ByteStream;
}

configure({ useWebWorkers: false });

const maxEntries = 100;

// Deflate reaches 1032 : 1. Weights do not come near 2 : 1, constant thresholds of a large
// dictionary do; above 16 MiB a content that shrinks to a fiftieth is a bomb or of no use.
const bombBytes = 16 * 2 ** 20;
const bombRatio = 50;

/** What an archive may be. */
export interface ZipRules {
  /** Names that entries may have. */
  names: RegExp;
  /** What such names are, for errors. */
  words: string;
  /** Whether it may have zip64 records that it does not need, as PyTorch's have: zip.js's strict mode takes them for data. */
  spareRecords?: boolean;
}

const plainNames: ZipRules = { names: /^\w[\w.-]{0,99}$/, words: "plain file names" };

/**
 * Lists a zip archive's files. The archive must be readable in one way only: nothing before, between
 * or after its parts, local headers that agree with the directory, no name twice, none that
 * leads out of the archive, nothing encrypted, stored or deflated only. Sizes must fit the file.
 *
 * @param path Used in errors.
 * @param handle The open file.
 * @throws {Error} It is not such an archive.
 */
export async function listZip(
  path: string,
  handle: FileHandle,
  size: number,
  { names, words, spareRecords = false }: ZipRules = plainNames,
): Promise<ZipEntry[]> {
  const reader = new ZipReader(new HandleReader(path, handle, size), {
    strictness: spareRecords ? "balanced" : "strict",
    checkLocalFilename: true,
    filenameValidation: "strict",
    maxAppendedDataSize: 0,
    checkCrc32: true,
  });
  const found: FileEntry[] = [];
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      if (found.length === maxEntries) throw new Error(`it has more than ${maxEntries} entries`);
      const { filename } = entry;
      if (entry.directory || !names.test(filename)) {
        throw new Error(`it has an entry ${show(filename)}, expected ${words}`);
      }
      if (found.some((other) => other.filename === filename)) {
        throw new Error(`it has two entries ${show(filename)}`);
      }
      checkEntry(entry, size);
      found.push(entry);
    }
    checkOverlap(found);
    // zip.js's "balanced" mode takes what stands in front for a program that unpacks the archive.
    const first = Math.min(...found.map(({ offset }) => offset));
    if (found.length > 0 && first > 0) throw new Error(`${first} bytes stand in front of it`);
    // Another end record can be hidden there, which other tools take for the real one.
    if (reader.comment.length > 0) throw new Error("it has a comment, expected none");
  } catch (error) {
    throw new Error(`${path} is not a sound zip archive: ${meaning(error)}`, { cause: error });
  }
  return found.map((entry) => ({
    name: entry.filename,
    size: entry.uncompressedSize,
    open: () => openContent(path, handle, entry),
  }));
}

function checkEntry(entry: FileEntry, fileSize: number): void {
  const { filename, compressedSize, uncompressedSize, compressionMethod: method } = entry;
  const fail = (what: string): never => {
    throw new Error(`${show(filename)} ${what}`);
  };
  if (entry.encrypted) fail("is encrypted");
  if (method !== 0 && method !== 8) {
    fail(`has compression method ${method}, expected 0 (stored) or 8 (deflate)`);
  }
  if (compressedSize > fileSize) {
    fail(`takes ${compressedSize} bytes of a file of ${fileSize}`);
  }
  if (method === 0 && compressedSize !== uncompressedSize) {
    fail(`is stored in ${compressedSize} bytes, but has ${uncompressedSize}`);
  }
  if (uncompressedSize > bombBytes && uncompressedSize > bombRatio * compressedSize) {
    fail(
      `would grow from ${compressedSize} to ${uncompressedSize} bytes, expected at most ` +
        `${bombRatio} times as many`,
    );
  }
}

/** Of two entries in the same bytes only one can be what it says: the trick of the flat bombs. */
function checkOverlap(entries: FileEntry[]): void {
  let end = 0;
  for (const entry of [...entries].sort((a, b) => a.offset - b.offset)) {
    if (entry.offset < end) throw new Error(`${show(entry.filename)} overlaps another entry`);
    end = entry.offset + 30 + entry.filename.length + entry.compressedSize;
  }
}

/** Ranges of an open file, for zip.js. */
class HandleReader extends Reader<FileHandle> {
  readonly #path: string;
  readonly #handle: FileHandle;

  constructor(path: string, handle: FileHandle, size: number) {
    super(handle);
    this.#path = path;
    this.#handle = handle;
    this.size = size;
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    // A length comes from the archive: never more than the file holds.
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - index)));
    await readRange(this.#path, this.#handle, bytes, index);
    return bytes;
  }
}
