import { NPY_PREFIX, npyHeaderBytes, parseNpyHeader } from "./npy_header.ts";
import { openRegularFile } from "./read_range.ts";
import { type ElementKind, type StreamedTensor, streamedTensors } from "./streamed_tensors.ts";
import type { TensorFile } from "./tensor_file.ts";
import { listZip, type ZipEntry } from "./zip_entries.ts";

/**
 * Opens an npz archive of float arrays (2, 4 or 8 bytes, either byte order, C or Fortran order,
 * stored or deflated) and checks it: arrays must have the size their headers say. Nothing but
 * headers is read, and no array is taken into memory.
 *
 * @throws {Error} There is no such file, or it is not such an archive; the message names the array,
 * what was found and what is wanted.
 */
export async function openNpz(path: string): Promise<TensorFile> {
  const handle = await openRegularFile(path);
  try {
    const stat = await handle.stat();
    const members = new Map<string, StreamedTensor>();
    for (const entry of await listZip(path, handle, stat.size)) {
      if (!entry.name.endsWith(".npy")) {
        throw new Error(`${JSON.stringify(entry.name)} is no array (.npy), in ${path}`);
      }
      members.set(entry.name.slice(0, -4), await readMember(path, entry));
    }
    return streamedTensors(path, members, () => handle.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readMember(path: string, entry: ZipEntry): Promise<StreamedTensor> {
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
    const kind = `f${header.itemSize}` as ElementKind;
    return {
      ...header,
      kind,
      where: entry.name,
      dataStart,
      endsStream: true,
      open: () => entry.open(),
    };
  } finally {
    await stream.close();
  }
}
