import { type Reader as ZipSource, Uint8ArrayReader, ZipWriter } from "@zip.js/zip.js";

/** Writes float32 arrays as numpy's savez or savez_compressed does. */
export async function writeNpz(
  path: string,
  arrays: Record<string, { shape: number[]; data: Float32Array }>,
  deflated: boolean,
): Promise<void> {
  const file = await Deno.open(path, { write: true, create: true, truncate: true });
  const writer = new ZipWriter(file.writable, { useWebWorkers: false, level: deflated ? 6 : 0 });
  for (const [name, { shape, data }] of Object.entries(arrays)) {
    const sizes = shape.join(", ") + (shape.length === 1 ? "," : "");
    const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${sizes}), }`;
    const header = new TextEncoder().encode(text.padEnd(117) + "\n");
    const bytes = new Uint8Array(10 + header.length + data.byteLength);
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length, 0]);
    bytes.set(header, 10);
    bytes.set(new Uint8Array(data.buffer), 10 + header.length);
    const source: ZipSource<Uint8Array> = new Uint8ArrayReader(bytes);
    await writer.add(`${name}.npy`, source);
  }
  await writer.close();
}
