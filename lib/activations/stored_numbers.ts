/**
 * Number format of a store: float16 has half the bytes, 11 bits of precision (5e-4 relative) and a range
 * up to 65504; bfloat16 has half the bytes, 8 bits of precision (4e-3 relative) and float32's range.
 */
export type StoreDtype = "float32" | "float16" | "bfloat16";

/** Reads row `from` of stored rows into row `to` of `data`. */
export type CopyRow = (from: number, data: Float32Array, to: number) => void;

/** A buffer of rows in the format of a store. */
export interface StoredRows {
  /** Writes row `place`. */
  set(place: number, row: Float32Array): void;
  /** Copies a row to another index. */
  move(from: number, to: number): void;
  /** The bytes of the first rows. */
  bytes(rows: number): Uint8Array;
}

/** All number formats. */
export const STORE_DTYPES: readonly StoreDtype[] = ["float32", "float16", "bfloat16"];

/**
 * Per format, the smallest magnitude that becomes infinite, and the largest finite number. float16 rounds
 * numbers below 65520 to 65504, bfloat16 numbers below 2^128 − 2^119 to 2^128 − 2^120.
 */
export const TOO_LARGE: Record<StoreDtype, { from: number; most: string }> = {
  float32: { from: Infinity, most: "3.4028e38" },
  float16: { from: 65520, most: "65504" },
  bfloat16: { from: 2 ** 128 - 2 ** 119, most: "3.3895e38" },
};

/** Bytes per number. */
export function numberBytes(dtype: StoreDtype): number {
  return dtype === "float32" ? 4 : 2;
}

/** Allocates `rows` rows of width d. */
export function createStoredRows(dtype: StoreDtype, rows: number, d: number): StoredRows {
  if (dtype === "bfloat16") return createBfloat16Rows(rows, d);
  const numbers = dtype === "float32" ? new Float32Array(rows * d) : new Float16Array(rows * d);
  return {
    set: (place, row) => numbers.set(row, place * d),
    move: (from, to) => numbers.copyWithin(to * d, from * d, (from + 1) * d),
    bytes: (rows) => new Uint8Array(numbers.buffer, 0, rows * d * numbers.BYTES_PER_ELEMENT),
  };
}

/** bfloat16 is the upper half of a float32, rounded to the nearest, ties to even. */
function createBfloat16Rows(rows: number, d: number): StoredRows {
  const numbers = new Uint16Array(rows * d);
  const own = new Float32Array(d);
  const bits = new Uint32Array(own.buffer);
  return {
    set(place, row) {
      own.set(row);
      for (let j = 0; j < d; j++) {
        numbers[place * d + j] = (bits[j] + 0x7fff + (bits[j] >>> 16 & 1)) >>> 16;
      }
    },
    move: (from, to) => numbers.copyWithin(to * d, from * d, (from + 1) * d),
    bytes: (rows) => new Uint8Array(numbers.buffer, 0, rows * d * 2),
  };
}

/** Reads rows of width d from their bytes. */
export function storedRowReader(
  dtype: StoreDtype,
  { buffer, byteOffset, length }: Uint8Array<ArrayBuffer>,
  d: number,
): CopyRow {
  if (dtype === "float32") {
    const rows = new Float32Array(buffer, byteOffset, length / 4);
    return (from, data, to) => data.set(rows.subarray(from * d, (from + 1) * d), to * d);
  }
  if (dtype === "float16") {
    const rows = new Float16Array(buffer, byteOffset, length / 2);
    // 370 million numbers per second, against 290 of data.set(rows.subarray(…)).
    return (from, data, to) => {
      for (let j = 0; j < d; j++) data[to * d + j] = rows[from * d + j];
    };
  }
  const rows = new Uint16Array(buffer, byteOffset, length / 2);
  return (from, data, to) => {
    const bits = new Uint32Array(data.buffer, data.byteOffset + 4 * to * d, d);
    for (let j = 0; j < d; j++) bits[j] = rows[from * d + j] << 16;
  };
}
