import type { FileHandle } from "node:fs/promises";
import {
  encodeHeader,
  headerLength,
  itemSizes,
  parseHeader,
  type SafetensorsHeader,
} from "./safetensors_header.ts";
import { openRegularFile, readRange } from "./read_range.ts";
import { replaceFile } from "../files/replace_file.ts";

/** An open safetensors file, closed by `await using`. */
export interface SafetensorsFile extends SafetensorsHeader, AsyncDisposable {
  /** The file, as it was given. */
  path: string;
  /**
   * Reads elements of a tensor. F32, F16, BF16 and F64 can be read into a Float32Array, F64 and U32
   * also into arrays of their own kind.
   *
   * @param name Name of the tensor.
   * @param start First element, in the tensor's row-major order.
   * @param into Receives `into.length` elements.
   * @throws {Error} There is no such tensor, its type is another, or the elements lie outside it.
   */
  read(name: string, start: number, into: Elements): Promise<void>;
}

/** Elements of a tensor: F32, F64 or U32. */
export type Elements = Float32Array | Float64Array | Uint32Array;

/** A tensor to be written: row-major, whole, or float32 in pieces. */
export interface TensorSource {
  /** Sizes of its dimensions. */
  shape: number[];
  /** The elements, or an iterable that yields them in order; a piece may be reused after a step. */
  data: Elements | Iterable<Float32Array>;
}

// A piece that is converted or written stays small beside the tensor.
const pieceBytes = 4 * 2 ** 20;

/**
 * Opens a safetensors file and checks its header against the file, so that later reads cannot go
 * wrong on it. No tensor is read, and memory is taken for the header only.
 *
 * @throws {Error} There is no such file, or it is not a sound safetensors file; the message names
 * the tensor, what was found and what is wanted.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const handle = await openRegularFile(path);
  try {
    const stat = await handle.stat();
    const first = new Uint8Array(Math.min(8, stat.size));
    await readRange(path, handle, first, 0);
    const json = new Uint8Array(headerLength(path, first, stat.size));
    await readRange(path, handle, json, 8);
    const header = parseHeader(path, json, stat.size);
    return {
      ...header,
      path,
      read: (name, start, into) => readTensor(path, handle, header, name, start, into),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Writes tensors as a safetensors file, beside its place and then renamed into it, so that
 * a file of this name is always whole. Pieces are written as they come: memory is one piece.
 *
 * @param path The file; an existing one is replaced.
 * @param tensors The tensors, written in this order.
 * @param metadata Notes for the file's `__metadata__`; none if not given.
 * @param beforeRename Called when the whole file is on the disk, before it takes its place.
 * @throws {Error} A tensor has another number of elements than its shape, or the file cannot be
 * written.
 */
export async function writeSafetensors(
  path: string,
  tensors: Record<string, TensorSource>,
  metadata?: Record<string, string>,
  beforeRename?: () => Promise<void>,
): Promise<void> {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const dtype = dtypeOf(data);
    const end = offset + itemSizes[dtype] * elements(shape);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  await replaceFile(path, async (file) => {
    await writeFully(file, encodeHeader(header).buffer);
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      let count = 0;
      for (const piece of ArrayBuffer.isView(data) ? [data] : data) {
        count += piece.length;
        await writeFully(file, new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      }
      if (count !== elements(shape)) {
        throw new Error(
          `${name} has ${count} elements, expected ${elements(shape)} for [${shape.join(", ")}], ` +
            `in ${path}`,
        );
      }
    }
  }, beforeRename);
}

async function readTensor(
  path: string,
  handle: FileHandle,
  header: SafetensorsHeader,
  name: string,
  start: number,
  into: Elements,
): Promise<void> {
  const entry = header.tensors.get(name);
  if (!entry) {
    throw new Error(
      `${name} is missing, found ${[...header.tensors.keys()].join(", ") || "nothing"}, in ${path}`,
    );
  }
  const count = elements(entry.shape);
  if (!(start >= 0 && start + into.length <= count)) {
    throw new RangeError(
      `elements ${start} to ${start + into.length} of ${name} were asked for, it has ${count}, ` +
        `in ${path}`,
    );
  }
  if (entry.dtype === dtypeOf(into)) {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    await readRange(path, handle, bytes, entry.start + into.BYTES_PER_ELEMENT * start);
    return;
  }
  if (!(into instanceof Float32Array)) {
    throw new Error(`${name} has dtype ${entry.dtype}, expected ${dtypeOf(into)}, in ${path}`);
  }
  const convert = converters[entry.dtype];
  if (!convert) {
    const known = ["F32", ...Object.keys(converters)].join(", ");
    throw new Error(`${name} has dtype ${entry.dtype}, expected one of ${known}, in ${path}`);
  }
  const size = itemSizes[entry.dtype];
  const piece = new Uint8Array(Math.min(pieceBytes, size * into.length));
  for (let done = 0; done < into.length; done += piece.length / size) {
    const part = into.subarray(done, done + piece.length / size);
    const bytes = piece.subarray(0, part.length * size);
    await readRange(path, handle, bytes, entry.start + (start + done) * size);
    convert(bytes, part);
  }
}

function dtypeOf(data: TensorSource["data"]): "F32" | "F64" | "U32" {
  if (data instanceof Float64Array) return "F64";
  return data instanceof Uint32Array ? "U32" : "F32";
}

const converters: Record<string, (bytes: Uint8Array<ArrayBuffer>, into: Float32Array) => void> = {
  F64: (bytes, into) => into.set(new Float64Array(bytes.buffer, 0, into.length)),
  F16: (bytes, into) => into.set(new Float16Array(bytes.buffer, 0, into.length)),
  // BF16 is the upper half of a float32.
  BF16: (bytes, into) => {
    const halves = new Uint16Array(bytes.buffer, 0, into.length);
    const words = new Uint32Array(into.buffer, into.byteOffset, into.length);
    for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  },
};

async function writeFully(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await file.write(bytes.subarray(done, done + pieceBytes));
  }
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
