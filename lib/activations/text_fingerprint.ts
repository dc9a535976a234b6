import { crc32 } from "node:zlib";

/** CRC-32 of the first token rows of a corpus. */
export interface TokenRowsChecksum {
  /** Number of token rows. */
  tokenRows: number;
  /** CRC-32 of their tokens, int32 each: 8 hexadecimal digits. */
  crc32: string;
}

/**
 * Checks that a harvest continues with the texts that it started with: pass the same object to
 * `orderedActivations`, which reads them, and to `writeActivations`, which stores the checksum.
 */
export interface TextFingerprint {
  /** Sets the expected checksum; `what` describes its origin in the error message. */
  expect(checksum: TokenRowsChecksum, what: string): void;
  /**
   * Passes token rows on, from the first of the corpus, and updates the checksum.
   *
   * @param maxRows Largest number of rows that the stream can have.
   * @throws {Error} The rows differ from those expected, or are fewer.
   */
  follow(rows: AsyncIterable<Int32Array>, maxRows: number): AsyncGenerator<Int32Array>;
  /** The checksum of the first `tokenRows` rows; checksums of fewer rows are dropped. */
  checksum(tokenRows: number): TokenRowsChecksum;
  /** The checksum of all rows that were passed on so far. */
  last(): TokenRowsChecksum;
}

/** Creates an empty fingerprint. */
export function createTextFingerprint(): TextFingerprint {
  let expected: TokenRowsChecksum = { tokenRows: 0, crc32: hex(0) };
  let what = "";
  // Rows are read ahead of those that are stored: checksums since the last requested one.
  let first = 0;
  let sums: number[] = [];
  const refuse = (found: string): never => {
    throw new Error(
      `the texts are not those that ${what} came from: its first ${expected.tokenRows} token rows have ` +
        `the checksum ${expected.crc32}, those of the texts now ${found}. Give the same texts in the same ` +
        `order, choose another folder, or overwrite it`,
    );
  };
  return {
    expect(checksum, name) {
      [expected, what] = [checksum, name];
    },
    async *follow(rows, maxRows) {
      [first, sums] = [0, [0]];
      let sum = 0;
      let count = 0;
      for await (const row of rows) {
        sum = crc32(new Uint8Array(row.buffer, row.byteOffset, row.byteLength), sum);
        count++;
        if (count <= expected.tokenRows) [first, sums] = [count, [sum]];
        else sums.push(sum);
        if (count === expected.tokenRows && hex(sum) !== expected.crc32) refuse(hex(sum));
        yield row;
      }
      if (count < Math.min(expected.tokenRows, maxRows)) refuse(`end after ${count}`);
    },
    checksum(tokenRows) {
      sums.splice(0, tokenRows - first);
      first = Math.max(first, tokenRows);
      if (sums.length === 0) throw new Error(`token row ${tokenRows} was not read yet`);
      return { tokenRows, crc32: hex(sums[0]) };
    },
    last: () => ({ tokenRows: first + sums.length - 1, crc32: hex(sums.at(-1) ?? 0) }),
  };
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}
