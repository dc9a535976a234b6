import { copyStrided, spanOf } from "./strided_elements.ts";
import { checkFits, type TensorFile, type TensorInfo } from "./tensor_file.ts";
import type { ByteStream } from "./zip_content.ts";

/** Kinds of elements, named by bytes and kind: floats (bf2 is bfloat16), whole numbers, truth values. */
export type ElementKind = "f2" | "bf2" | "f4" | "f8" | "i1" | "u1" | "i2" | "i4" | "i8";

/** A tensor whose elements lie in a stream of bytes that is read from its begin. */
export interface StreamedTensor extends TensorInfo {
  /** What it lies in, for errors. */
  where: string;
  /** Its elements. */
  kind: ElementKind;
  /** Whether elements have their lowest byte first. */
  littleEndian: boolean;
  /** Bytes in front of its first element. */
  dataStart: number;
  /**
   * Elements from the begin of one row (of a column, in Fortran order) to that of the next, where some lie
   * between.
   */
  pitch?: number;
  /**
   * Elements from one index of each dimension to the next, where they lie neither in rows nor in columns; all
   * that is between the first and the last is held in memory while such a tensor is read.
   */
  strides?: readonly number[];
  /** Whether the stream ends with it. */
  endsStream: boolean;
  /** The stream. */
  open(): ByteStream;
}

// Elements that are converted pass through pieces of 1 MiB.
const pieceBytes = 2 ** 20;

/** Bytes of an element. */
export function itemSize(kind: ElementKind): number {
  return Number(kind.at(-1));
}

interface Cursor {
  stream: ByteStream;
  /** The next byte. */
  at: number;
}

/**
 * Reads tensors from streams. A stream goes forward only, so that checksums can be compared at its end: a tensor
 * is read fast from its begin to its end, and again from the begin where elements before are asked for.
 *
 * @param close Called when the file is closed, after all streams.
 */
export function streamedTensors<Tensor extends StreamedTensor>(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  close: () => Promise<void>,
): TensorFile {
  const cursors = new Map<string, Cursor>();
  const spans = new Map<string, Float32Array>();

  const cursorAt = async (name: string, tensor: Tensor, position: number): Promise<Cursor> => {
    let cursor = cursors.get(name);
    if (!cursor || cursor.at > position) {
      await cursor?.stream.close();
      cursor = { stream: tensor.open(), at: 0 };
      cursors.set(name, cursor);
    }
    const skipped = new Uint8Array(Math.min(pieceBytes, position - cursor.at));
    while (cursor.at < position) {
      const got = await cursor.stream.read(skipped.subarray(0, position - cursor.at));
      // The next read reports missing bytes.
      if (got === 0) break;
      cursor.at += got;
    }
    return cursor;
  };

  const fill = async (cursor: Cursor, { where }: Tensor, bytes: Uint8Array): Promise<void> => {
    if (await cursor.stream.read(bytes) < bytes.length) {
      throw new Error(`${where} in ${path} ends before its last element`);
    }
    cursor.at += bytes.length;
  };

  const readRun = async (
    name: string,
    tensor: Tensor,
    start: number,
    into: Float32Array,
  ): Promise<Cursor> => {
    const { kind, littleEndian, dataStart } = tensor;
    const size = itemSize(kind);
    const cursor = await cursorAt(name, tensor, dataStart + start * size);
    if (kind === "f4") {
      const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
      await fill(cursor, tensor, bytes);
      if (!littleEndian) swapBytes(bytes, 4);
      return cursor;
    }
    const piece = new Uint8Array(Math.min(pieceBytes, size * into.length));
    for (let done = 0; done < into.length; done += piece.length / size) {
      const part = into.subarray(done, done + piece.length / size);
      const bytes = piece.subarray(0, part.length * size);
      await fill(cursor, tensor, bytes);
      if (!littleEndian) swapBytes(bytes, size);
      convert(kind, bytes, part);
    }
    return cursor;
  };

  // Elements that lie by strides go through a copy of all that is between the first and the last.
  const readStrided = async (
    name: string,
    tensor: Tensor,
    strides: readonly number[],
    start: number,
    into: Float32Array,
  ): Promise<Cursor> => {
    let span = spans.get(name);
    let cursor = cursors.get(name);
    if (!span || !cursor) {
      const length = spanOf(tensor.shape, strides);
      checkFits(path, name, [length]);
      span = new Float32Array(length);
      cursor = await readRun(name, tensor, 0, span);
      spans.set(name, span);
    }
    copyStrided(span, tensor.shape, strides, start, into);
    return cursor;
  };

  return {
    path,
    tensors,
    async read(name, start, into) {
      const tensor = tensors.get(name);
      if (!tensor) {
        const found = [...tensors.keys()].join(", ") || "nothing";
        throw new Error(`${name} is missing, found ${found}, in ${path}`);
      }
      const { shape, columnMajor, endsStream, strides } = tensor;
      const count = shape.reduce((product, extent) => product * extent, 1);
      const end = start + into.length;
      if (!(start >= 0 && end <= count)) {
        throw new RangeError(
          `elements ${start} to ${end} of ${name} were asked for, it has ${count}, in ${path}`,
        );
      }
      const row = (columnMajor ? shape[0] : shape.at(-1)) ?? 1;
      const { pitch = row } = tensor;
      let cursor: Cursor | undefined;
      if (strides) cursor = await readStrided(name, tensor, strides, start, into);
      for (let done = strides ? end : start; done < end || !cursor;) {
        // Rows without anything between them are read at once.
        const stop = pitch === row ? end : Math.min(end, (Math.floor(done / row) + 1) * row);
        const from = pitch === row ? done : Math.floor(done / row) * pitch + done % row;
        cursor = await readRun(name, tensor, from, into.subarray(done - start, stop - start));
        done = stop;
      }
      if (end === count) spans.delete(name);
      if (end < count) return;
      // The checksum is compared at the end of the stream only, which a view of a part may leave unread.
      cursors.delete(name);
      const rest = new Uint8Array(endsStream ? 1 : pieceBytes);
      let left = await cursor.stream.read(rest);
      while (!endsStream && left > 0) left = await cursor.stream.read(rest);
      await cursor.stream.close();
      if (left > 0) throw new Error(`${tensor.where} in ${path} is longer than the archive says`);
    },
    [Symbol.asyncDispose]: async () => {
      for (const { stream } of cursors.values()) await stream.close();
      await close();
    },
  };
}

function convert(kind: ElementKind, bytes: Uint8Array<ArrayBuffer>, into: Float32Array): void {
  const { buffer } = bytes;
  const count = into.length;
  switch (kind) {
    case "f2":
      return into.set(new Float16Array(buffer, 0, count));
    case "f8":
      return into.set(new Float64Array(buffer, 0, count));
    case "bf2": {
      // bfloat16 is the upper half of a float32.
      const halves = new Uint16Array(buffer, 0, count);
      const words = new Uint32Array(into.buffer, into.byteOffset, count);
      for (let i = 0; i < count; i++) words[i] = halves[i] << 16;
      return;
    }
    case "i1":
      return into.set(new Int8Array(buffer, 0, count));
    case "u1":
      return into.set(bytes.subarray(0, count));
    case "i2":
      return into.set(new Int16Array(buffer, 0, count));
    case "i4":
      return into.set(new Int32Array(buffer, 0, count));
    case "i8":
      new BigInt64Array(buffer, 0, count).forEach((value, i) => into[i] = Number(value));
      return;
    case "f4":
  }
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
