import { type FileHandle, open } from "node:fs/promises";
import { regularFileSize } from "../language_model/regular_file.ts";
import { NPY_PREFIX, type NpyHeader, npyHeaderBytes, parseNpyHeader } from "./npy_header.ts";
import type { TensorFile } from "./tensor_file.ts";
import type { ByteStream } from "./zip_content.ts";
import { listZip, type ZipEntry } from "./zip_entries.ts";

interface Member extends NpyHeader {
  entry: ZipEntry;
  /** Where the elements begin in the entry. */
  dataStart: number;
}

/** An entry that is being read, and the element that it is at. */
interface Cursor {
  stream: ByteStream;
  at: number;
}

// Elements that are converted pass through pieces of 1 MiB.
const pieceBytes = 2 ** 20;

/**
 * Opens an npz archive of float arrays (2, 4 or 8 bytes, either byte order, C or Fortran order,
 * stored or deflated) and checks it: arrays must have the size their headers say. Nothing but
 * headers is read, and no array is taken into memory.
 *
 * @throws {Error} There is no such file, or it is not such an archive; the message names the array,
 * what was found and what is wanted.
 */
export async function openNpz(path: string): Promise<TensorFile> {
  let handle: FileHandle;
  try {
    regularFileSize(path);
    handle = await open(path, "r");
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const why = code === "ENOENT" ? "there is no such file" : message;
    throw new Error(`cannot open ${path}: ${why}`, { cause: error });
  }
  const cursors = new Map<string, Cursor>();
  try {
    const stat = await handle.stat();
    const members = new Map<string, Member>();
    for (const entry of await listZip(path, handle, stat.size)) {
      if (!entry.name.endsWith(".npy")) {
        throw new Error(`${JSON.stringify(entry.name)} is no array (.npy), in ${path}`);
      }
      members.set(entry.name.slice(0, -4), await readMember(path, entry));
    }
    return {
      path,
      tensors: members,
      read: (name, start, into) => readElements(path, members, cursors, name, start, into),
      [Symbol.asyncDispose]: async () => {
        for (const { stream } of cursors.values()) await stream.close();
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readMember(path: string, entry: ZipEntry): Promise<Member> {
  const where = `${entry.name} in ${path}`;
  const stream = entry.open();
  try {
    const prefix = new Uint8Array(NPY_PREFIX);
    const got = await stream.read(prefix);
    const [textStart, dataStart] = npyHeaderBytes(where, prefix.subarray(0, got));
    const rest = new Uint8Array(Math.max(0, dataStart - NPY_PREFIX));
    if (await stream.read(rest) < rest.length) throw new Error(`${where} ends within its header`);
    const head = new Uint8Array(dataStart);
    head.set(prefix.subarray(0, dataStart));
    head.set(rest, Math.min(NPY_PREFIX, dataStart));
    const text = new TextDecoder("utf-8").decode(head.subarray(textStart));
    const header = parseNpyHeader(where, text);
    const wanted = dataStart + header.dataBytes;
    if (wanted !== entry.size) {
      throw new Error(
        `${where} is ${header.dtype} [${header.shape.join(", ")}], ${wanted} bytes with its ` +
          `header, but has ${entry.size}`,
      );
    }
    return { ...header, entry, dataStart };
  } finally {
    await stream.close();
  }
}

async function readElements(
  path: string,
  members: Map<string, Member>,
  cursors: Map<string, Cursor>,
  name: string,
  start: number,
  into: Float32Array,
): Promise<void> {
  const member = members.get(name);
  if (!member) {
    const found = [...members.keys()].join(", ") || "nothing";
    throw new Error(`${name} is missing, found ${found}, in ${path}`);
  }
  const { itemSize, dataBytes } = member;
  const count = dataBytes / itemSize;
  if (!(start >= 0 && start + into.length <= count)) {
    throw new RangeError(
      `elements ${start} to ${start + into.length} of ${name} were asked for, it has ${count}, ` +
        `in ${path}`,
    );
  }
  const cursor = await cursorAt(member, cursors, name, start);
  const fill = async (bytes: Uint8Array) => {
    if (await cursor.stream.read(bytes) < bytes.length) {
      throw new Error(`${member.entry.name} in ${path} ends before its last element`);
    }
  };
  if (itemSize === 4) {
    const bytes = new Uint8Array(into.buffer, into.byteOffset, into.byteLength);
    await fill(bytes);
    if (!member.littleEndian) swapBytes(bytes, 4);
  } else {
    const piece = new Uint8Array(Math.min(pieceBytes, itemSize * into.length));
    for (let done = 0; done < into.length; done += piece.length / itemSize) {
      const part = into.subarray(done, done + piece.length / itemSize);
      const bytes = piece.subarray(0, part.length * itemSize);
      await fill(bytes);
      if (!member.littleEndian) swapBytes(bytes, itemSize);
      part.set(new (itemSize === 2 ? Float16Array : Float64Array)(bytes.buffer, 0, part.length));
    }
  }
  cursor.at += into.length;
  if (cursor.at < count) return;
  // The checksum is compared at the end of the entry only.
  cursors.delete(name);
  const left = await cursor.stream.read(new Uint8Array(1));
  await cursor.stream.close();
  if (left > 0) throw new Error(`${member.entry.name} in ${path} is longer than the archive says`);
}

/** The member's stream at an element: the one that is there already, or a new one. */
async function cursorAt(
  { entry, dataStart, itemSize }: Member,
  cursors: Map<string, Cursor>,
  name: string,
  start: number,
): Promise<Cursor> {
  const found = cursors.get(name);
  if (found?.at === start) return found;
  await found?.stream.close();
  const cursor: Cursor = { stream: entry.open(), at: start };
  cursors.set(name, cursor);
  const skipped = new Uint8Array(pieceBytes);
  for (let left = dataStart + start * itemSize; left > 0;) {
    const got = await cursor.stream.read(skipped.subarray(0, Math.min(left, pieceBytes)));
    // What is missing is told by the read that follows.
    if (got === 0) break;
    left -= got;
  }
  return cursor;
}

function swapBytes(bytes: Uint8Array, size: number): void {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
}
