/** An entry of an archive, with optional false headers. */
export interface Entry {
  name: string;
  data: Uint8Array;
  /** 8 deflates it; other numbers but 0 are only claimed. */
  method?: number;
  /** Compressed bytes in place of those of `data`. */
  body?: Uint8Array;
  flags?: number;
  /** Sizes and checksum that are claimed in both headers. */
  size?: number;
  compressedSize?: number;
  crc?: number;
  /** What only the local header says. */
  localName?: string;
  localSize?: number;
  /** Where the directory says the entry is. */
  offset?: number;
}

/** False fields of the archive as a whole. */
export interface ArchiveLies {
  before?: Uint8Array;
  comment?: Uint8Array;
  after?: Uint8Array;
  count?: number;
  directoryOffset?: number;
  directorySize?: number;
}

/** Writes a zip archive, independently of the library's code. */
export async function makeZip(entries: Entry[], lies: ArchiveLies = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let at = 0;
  const push = (bytes: Uint8Array) => {
    parts.push(bytes);
    at += bytes.length;
  };
  push(lies.before ?? new Uint8Array());
  const directory: Uint8Array[] = [];
  for (const entry of entries) {
    const { method = 0, flags = 0, data } = entry;
    const body = entry.body ?? (method === 8 ? await deflate(data) : data);
    const size = entry.size ?? data.length;
    const compressedSize = entry.compressedSize ?? body.length;
    const crc = entry.crc ?? crc32(data);
    const offset = entry.offset ?? at;
    const text = (name: string) => new TextEncoder().encode(name);
    const local = text(entry.localName ?? entry.name);
    const common = (size: number) =>
      numbers([2, flags], [2, method], [4, 0x210000], [4, crc], [4, compressedSize], [4, size]);
    push(numbers([4, 0x04034b50], [2, 20]));
    push(common(entry.localSize ?? size));
    push(numbers([2, local.length], [2, 0]));
    push(local);
    push(body);
    const name = text(entry.name);
    directory.push(
      numbers([4, 0x02014b50], [2, 20], [2, 20]),
      common(size),
      numbers([2, name.length], [2, 0], [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]),
      name,
    );
  }
  const directoryOffset = at;
  directory.forEach(push);
  const comment = lies.comment ?? new Uint8Array();
  const count = lies.count ?? entries.length;
  const directorySize = lies.directorySize ?? at - directoryOffset;
  push(numbers([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, directorySize]));
  push(numbers([4, lies.directoryOffset ?? directoryOffset], [2, comment.length]));
  push(comment);
  push(lies.after ?? new Uint8Array());
  return join(parts);
}

/** An npy array of numbers; `lies` replace parts of its header's text. */
export function makeNpy(
  shape: number[],
  data: ArrayLike<number>,
  { header, version = 1, length }: { header?: string; version?: number; length?: number } = {},
): Uint8Array {
  const sizes = shape.join(", ") + (shape.length === 1 ? "," : "");
  const text = (header ?? `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`) + "\n";
  const bytes = new TextEncoder().encode(text);
  return join([
    new Uint8Array([0x93, ...new TextEncoder().encode("NUMPY"), version, 0]),
    numbers([version === 1 ? 2 : 4, length ?? bytes.length]),
    bytes,
    new Uint8Array(new Float32Array(data).buffer),
  ]);
}

/** Little-endian numbers of some bytes each. */
export function numbers(...values: [bytes: number, value: number][]): Uint8Array {
  return new Uint8Array(
    values.flatMap(([bytes, value]) =>
      Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256)
    ),
  );
}

/** Bytes one after another. */
export function join(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function deflate(data: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([data.slice()]).stream().pipeThrough(
    new CompressionStream("deflate-raw"),
  );
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
