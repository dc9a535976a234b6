import type { FileEntry } from "@zip.js/zip.js";
import type { FileHandle } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { readRange } from "./read_range.ts";
import { unreadable } from "./zip_errors.ts";

/** Bytes that come one after another. */
export interface ByteStream {
  /** Fills `into`; gives how many bytes there were, fewer only at the end. */
  read(into: Uint8Array): Promise<number>;
  /** Ends it, wherever it is. */
  close(): Promise<void>;
}

// Deflate makes at most 1032 bytes of one: a piece grows to 33 MB at most before its length is seen.
const deflatedPiece = 32 * 2 ** 10;

/**
 * The content of an entry, read straight into where it belongs: zip.js would pass 300 MB through 300
 * buffers of its own, 155 MB of which are still there when memory is at its peak, and would inflate a
 * whole megabyte at once, a gigabyte of a bomb. Here it only checks the entry's local header. Length and
 * checksum are compared with the directory's when the end is read.
 */
export function openContent(path: string, handle: FileHandle, entry: FileEntry): ByteStream {
  const open = entry.compressionMethod === 0 ? openStored : openDeflated;
  return open(path, handle, entry);
}

function openStored(path: string, handle: FileHandle, entry: FileEntry): ByteStream {
  const { uncompressedSize: size } = entry;
  let start: number | undefined;
  let at = 0;
  let sum = 0;
  return {
    async read(into) {
      start ??= await findStart(path, handle, entry).catch((error) => {
        throw unreadable(path, entry, error);
      });
      const wanted = into.subarray(0, Math.max(0, size - at));
      await readRange(path, handle, wanted, start + at);
      sum = crc32(wanted, sum);
      at += wanted.length;
      if (at === size && sum !== entry.crc32) {
        throw unreadable(path, entry, new Error("its checksum is wrong"));
      }
      return wanted.length;
    },
    close: () => Promise.resolve(),
  };
}

function openDeflated(path: string, handle: FileHandle, entry: FileEntry): ByteStream {
  const { compressedSize, uncompressedSize: size } = entry;
  let start: number | undefined;
  let from = 0;
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      start ??= await findStart(path, handle, entry);
      if (from === compressedSize) return controller.close();
      const piece = new Uint8Array(Math.min(deflatedPiece, compressedSize - from));
      await readRange(path, handle, piece, start + from);
      from += piece.length;
      controller.enqueue(piece);
    },
  }, { highWaterMark: 0 });
  const reader = source.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  let chunk: Uint8Array = new Uint8Array();
  let at = 0;
  let sum = 0;
  const next = async (): Promise<boolean> => {
    try {
      const { value, done } = await reader.read();
      if (done && (at !== size || sum !== entry.crc32)) {
        throw new Error(
          at === size ? "its checksum is wrong" : `it has ${at} bytes, the archive says ${size}`,
        );
      }
      if (done) return false;
      at += value.length;
      if (at > size) throw new Error(`it has more than the ${size} bytes that the archive says`);
      sum = crc32(value, sum);
      chunk = value;
      return true;
    } catch (error) {
      throw unreadable(path, entry, error);
    }
  };
  return {
    async read(into) {
      let done = 0;
      while (done < into.length && (chunk.length > 0 || await next())) {
        const part = chunk.subarray(0, into.length - done);
        into.set(part, done);
        done += part.length;
        chunk = chunk.subarray(part.length);
      }
      return done;
    },
    close: () => reader.cancel().catch(() => {}),
  };
}

/** Lets zip.js check the local header, and gives where the content begins. */
async function findStart(path: string, handle: FileHandle, entry: FileEntry): Promise<number> {
  const enough = new Error("enough");
  const write = () => {
    throw enough;
  };
  await entry.getData(new WritableStream({ write }), { passThrough: true }).catch((error) => {
    if (error !== enough) throw error;
  });
  const header = new Uint8Array(30);
  await readRange(path, handle, header, entry.offset);
  const view = new DataView(header.buffer);
  // Behind the name and the extra field.
  return entry.offset + header.length + view.getUint16(26, true) + view.getUint16(28, true);
}
