import type { FileHandle } from "node:fs/promises";
import { MOST_PICKLE_BYTES, type PickleReader, type PickleValue, readPickle } from "./pickle.ts";
import { openRegularFile, readRange } from "./read_range.ts";
import { type StreamedTensor, streamedTensors } from "./streamed_tensors.ts";
import type { TensorFile } from "./tensor_file.ts";
import { isPickledTensor, type Storage, torchNames } from "./torch_pickle.ts";
import type { ByteStream } from "./zip_content.ts";
import { listZip, type ZipEntry } from "./zip_entries.ts";

/** An open file of PyTorch's, a dictionary of tensors and plain values. */
export interface TorchFile extends TensorFile {
  /** Numbers, texts and truth values that stand beside the tensors. */
  values: ReadonlyMap<string, number | string | boolean>;
}

// The numbers with which files before PyTorch 1.6 begin.
const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyProtocol = 1001;

/** Names of the entries: `NAME/data.pkl`, `NAME/data/0`, and notes of the version that wrote it. */
const torchEntries = {
  names:
    /^[^/\\:]{1,200}\/(data\.pkl|data\/\d{1,6}|byteorder|version|\.format_version|\.storage_alignment|\.data\/serialization_id)$/,
  words: "those of a state dict (NAME/data.pkl, NAME/data/0, …)",
  spareRecords: true,
};

/**
 * Opens what `torch.save` wrote for a state dict: the zip archive since PyTorch 1.6, or the pickles one after
 * another of versions before. The pickle is read as data ({@linkcode readPickle}): nothing in it is run, and
 * whatever is no tensor or plain value is refused by its name. Tensors may be views of a storage (slices,
 * transposes) that name each element once; no storage is read before it is asked for.
 *
 * @throws {Error} There is no such file, it is malformed, or it holds something else.
 */
export async function openTorch(path: string): Promise<TorchFile> {
  const handle = await openRegularFile(path);
  try {
    const { size } = await handle.stat();
    const first = new Uint8Array(Math.min(4, size));
    await readRange(path, handle, first, 0);
    const isZip = first[0] === 0x50 && first[1] === 0x4b;
    const { value, storages } = isZip
      ? await readArchive(path, handle, size)
      : await readLegacy(path, handle, size);
    const { tensors, values } = entriesOf(path, value, storages);
    return { ...streamedTensors(path, tensors, () => handle.close()), values };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

interface Content {
  value: PickleValue;
  /** Where the numbers of each storage are, by its key. */
  storages: Map<string, Storage>;
}

async function readArchive(path: string, handle: FileHandle, size: number): Promise<Content> {
  const entries = await listZip(path, handle, size, torchEntries);
  const top = entries[0]?.name.split("/")[0];
  const byName = new Map<string, ZipEntry>();
  for (const entry of entries) {
    const [folder, ...rest] = entry.name.split("/");
    if (folder !== top) throw new Error(`${path} has two folders, ${top} and ${folder}`);
    byName.set(rest.join("/"), entry);
  }
  const pickle = byName.get("data.pkl");
  if (!pickle) throw new Error(`${path} has no data.pkl, expected a file of torch.save`);
  const order = byName.get("byteorder");
  if (order && await readText(path, order) !== "little") {
    throw new Error(`${path} has its numbers in another byte order than little`);
  }
  const reader = torchNames();
  const { value, end } = readPickle(
    `data.pkl in ${path}`,
    await readEntry(path, pickle, MOST_PICKLE_BYTES),
    reader,
  );
  if (end !== pickle.size) throw new Error(`data.pkl in ${path} goes on after its end`);
  const storages = new Map<string, Storage>();
  for (const { key } of reader.storages.values()) {
    const entry = byName.get(`data/${key}`);
    if (entry) {
      storages.set(key, {
        where: entry.name,
        bytes: entry.size,
        start: 0,
        open: () => entry.open(),
      });
    }
  }
  return { value, storages };
}

async function readText(path: string, entry: ZipEntry): Promise<string> {
  return new TextDecoder().decode(await readEntry(path, entry, 16)).trim();
}

async function readEntry(path: string, entry: ZipEntry, most: number): Promise<Uint8Array> {
  if (entry.size > most) {
    throw new Error(`${entry.name} has ${entry.size} bytes, expected at most ${most}, in ${path}`);
  }
  const stream = entry.open();
  try {
    const bytes = new Uint8Array(entry.size);
    await stream.read(bytes);
    // The checksum is compared at the end.
    await stream.read(new Uint8Array(1));
    return bytes;
  } finally {
    await stream.close();
  }
}

/**
 * The form before PyTorch 1.6: pickles of a magic number, the protocol, the writer's system, the object and
 * the storages' keys, then each storage, its number of elements in front.
 */
async function readLegacy(path: string, handle: FileHandle, size: number): Promise<Content> {
  const head = new Uint8Array(Math.min(size, MOST_PICKLE_BYTES));
  await readRange(path, handle, head, 0);
  let at = 0;
  const next = (what: string, reader: PickleReader = nothing): PickleValue => {
    const { value, end } = readPickle(`${what} in ${path}`, head, reader, at);
    at = end;
    return value;
  };
  const isPickle = head[0] === 0x80 && head[1] >= 2 && head[1] <= 5;
  if (!isPickle) {
    throw new Error(`${path} is no file of torch.save (neither a zip archive nor a pickle)`);
  }
  const reader = torchNames();
  const magic = next("the first pickle", reader);
  if (magic !== legacyMagic) {
    throw new Error(`${path} is a pickle, but not one of torch.save: expected its magic number`);
  }
  const protocol = next("the protocol's pickle");
  if (protocol !== legacyProtocol) {
    throw new Error(`${path} has protocol ${protocol}, expected ${legacyProtocol}`);
  }
  const system = next("the system's pickle");
  if (!(system instanceof Map) || system.get("little_endian") !== true) {
    throw new Error(`${path} has its numbers in another byte order than little`);
  }
  const value = next("the object's pickle", reader);
  const keys = next("the pickle of keys");
  if (!Array.isArray(keys)) throw new Error(`${path} has no list of storages`);
  const storages = new Map<string, Storage>();
  for (const key of keys) {
    const id = reader.storages.get(String(key));
    if (!id) throw new Error(`${path} has a storage ${String(key)} that no tensor names`);
    const count = new Uint8Array(8);
    if (at + 8 > size) throw new Error(`${path} ends before storage ${id.key}`);
    await readRange(path, handle, count, at);
    const elements = new DataView(count.buffer).getBigUint64(0, true);
    const bytes = id.count * id.itemSize;
    if (elements !== BigInt(id.count)) {
      throw new Error(
        `storage ${id.key} has ${elements} elements, its tensors say ${id.count}, in ${path}`,
      );
    }
    if (bytes > size - at - 8) {
      throw new Error(
        `storage ${id.key} takes ${bytes} bytes, but ${size - at - 8} are left, in ${path}`,
      );
    }
    const start = at + 8;
    storages.set(id.key, {
      where: `storage ${id.key}`,
      bytes,
      start: 0,
      open: () => fileStream(path, handle, start, bytes),
    });
    at = start + bytes;
  }
  if (at !== size) throw new Error(`${path} goes on after its last storage, ${size - at} bytes`);
  return { value, storages };
}

/** Of a pickle that holds plain values only. */
const nothing: PickleReader = {
  knows: () => false,
  call: () => null,
  persistent: () => {
    throw new Error("a tensor, expected plain values");
  },
};

function fileStream(path: string, handle: FileHandle, start: number, size: number): ByteStream {
  let at = 0;
  return {
    async read(into) {
      const wanted = into.subarray(0, size - at);
      await readRange(path, handle, wanted, start + at);
      at += wanted.length;
      return wanted.length;
    },
    close: () => Promise.resolve(),
  };
}

function entriesOf(
  path: string,
  value: PickleValue,
  storages: Map<string, Storage>,
): { tensors: Map<string, StreamedTensor>; values: Map<string, number | string | boolean> } {
  if (!(value instanceof Map)) {
    const what = isPickledTensor(value) ? "one tensor" : "no dictionary";
    throw new Error(`${path} holds ${what}, expected a dictionary of tensors (a state dict)`);
  }
  const tensors = new Map<string, StreamedTensor>();
  const values = new Map<string, number | string | boolean>();
  for (const [name, entry] of value) {
    if (typeof name !== "string") throw new Error(`${path} has a key that is no text`);
    if (isPickledTensor(entry)) tensors.set(name, entry.place(path, name, storages));
    else if (typeof entry === "number" || typeof entry === "string" || typeof entry === "boolean") {
      values.set(name, entry);
    }
  }
  return { tensors, values };
}
