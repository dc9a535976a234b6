import { join } from "@std/path";

/** Reads files of a folder, or their bytes from `from` to `to` − 1: what `openDashboards` takes. */
export function folderReader(
  folder: string,
): (name: string, from?: number, to?: number) => Promise<Uint8Array<ArrayBuffer>> {
  return (name, from, to) => readFileRange(join(folder, name), from, to);
}

/** A file's bytes from `from` to `to` − 1; fewer where it ends before. */
export async function readFileRange(
  path: string,
  from = 0,
  to = Infinity,
): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  const { size } = await file.stat();
  await file.seek(from, Deno.SeekMode.Start);
  const bytes = new Uint8Array(Math.max(0, Math.min(size, to) - from));
  let at = 0;
  while (at < bytes.length) {
    const read = await file.read(bytes.subarray(at));
    if (read === null) break;
    at += read;
  }
  return bytes.subarray(0, at);
}
