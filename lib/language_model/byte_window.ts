import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** Random access to a file through a 16 KiB buffer; skipped parts are never read. */
export interface ByteWindow {
  /** Size of the file in bytes. */
  size: number;
  /** One byte. Throws RangeError at or past the end of the file. */
  byteAt(offset: number): number;
  /** A copy of `length` bytes. Throws RangeError, before allocating, past the end of the file. */
  bytes(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /** Closes the file. */
  [Symbol.dispose](): void;
}

// Two to four nodes of a graph fit in a kilobyte: 16 KiB keeps system calls rare (16 for a graph of
// 250 KB) and wastes little after each tensor that is skipped.
const windowSize = 16384;

/** Opens `path` for reading in pieces. Throws the file system's own errors (`Deno.errors.NotFound`). */
export function openByteWindow(path: string): ByteWindow {
  const file = openSync(path, "r");
  const size = fstatSync(file).size;
  const window = new Uint8Array(windowSize);
  let start = 0;
  let filled = 0;

  function read(into: Uint8Array, offset: number): number {
    let total = 0;
    while (total < into.length) {
      const count = readSync(file, into, total, into.length - total, offset + total);
      if (count === 0) break;
      total += count;
    }
    return total;
  }

  function require(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
      throw new RangeError(`the file ends at byte ${size}, byte ${offset + length} was needed`);
    }
  }

  return {
    size,
    byteAt(offset) {
      require(offset, 1);
      if (offset < start || offset >= start + filled) {
        start = offset;
        filled = read(window, offset);
        if (filled === 0) throw new RangeError(`the file shrank below byte ${offset}`);
      }
      return window[offset - start];
    },
    bytes(offset, length) {
      require(offset, length);
      if (offset >= start && offset + length <= start + filled) {
        return window.slice(offset - start, offset - start + length);
      }
      const result = new Uint8Array(length);
      if (read(result, offset) < length) throw new RangeError(`the file shrank while it was read`);
      return result;
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}
