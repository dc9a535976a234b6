import { join } from "@std/path";
import { readRegularText } from "../language_model/regular_file.ts";
import {
  HEADER_FILE,
  parseStoreHeader,
  rowBytes,
  shardName,
  type StoreHeader,
} from "./store_header.ts";

/**
 * Reads a store's header and checks that all its shards exist with the right size, and no others.
 *
 * @returns The header, or undefined where the folder has none.
 * @throws {Error} The header is malformed; a shard is missing, of another size or not listed.
 */
export async function readStoreFolder(folder: string): Promise<StoreHeader | undefined> {
  const path = join(folder, HEADER_FILE);
  let text: string | undefined;
  try {
    text = readRegularText(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      throw new Error(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  const header = text === undefined ? undefined : parseStoreHeader(text, path);
  if (header) await checkSizes(folder, header);
  await checkExtra(folder, header);
  return header;
}

async function checkSizes(folder: string, header: StoreHeader): Promise<void> {
  for (const { file, rows } of header.shards) {
    const path = join(folder, file);
    const info = await Deno.stat(path).catch((error) => {
      const what = error instanceof Deno.errors.NotFound ? "is missing" : "cannot be read";
      throw new Error(`${path} ${what}, ${HEADER_FILE} lists it`, { cause: error });
    });
    const wanted = rows * rowBytes(header);
    if (info.size !== wanted) {
      throw new Error(
        `${path} has ${info.size} bytes, expected ${wanted} (${rows} rows of ` +
          `${header.dModel} ${header.dtype} numbers)`,
      );
    }
  }
}

async function checkExtra(folder: string, header: StoreHeader | undefined): Promise<void> {
  const listed = header?.shards.length ?? 0;
  // A run that is killed after a shard is written and before it is listed leaves one.
  const unlisted = header && !header.complete ? shardName(listed) : undefined;
  const known = new Set(header?.shards.map(({ file }) => file));
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (!/^shard-\d+\.bin$/.test(name) || known.has(name) || name === unlisted) continue;
      throw new Error(
        header
          ? `${join(folder, name)} is not listed in ${HEADER_FILE}: it belongs to another store`
          : `${folder} holds ${name} but no ${HEADER_FILE}: it is not a complete store`,
      );
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes a store's files, its header first: after a kill the rest is not a store and can be removed. */
export async function removeStore(folder: string): Promise<void> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const shards = names.filter((name) => /^shard-\d+\.bin(\.part)?$/.test(name));
  for (const name of [HEADER_FILE, `${HEADER_FILE}.part`, ...shards]) {
    if (names.includes(name)) await Deno.remove(join(folder, name));
  }
}

/**
 * Writes a file of a store under a temporary name and renames it. The name ends with `.part`, which the
 * next run reuses: killed runs leave at most one such file of 64 MiB.
 *
 * @throws {Error} It cannot be written; a previous file stays.
 */
export async function writeStoreFile(path: string, data: Uint8Array): Promise<void> {
  const part = `${path}.part`;
  try {
    const file = await Deno.open(part, { write: true, create: true, truncate: true });
    try {
      for (let at = 0; at < data.length;) at += await file.write(data.subarray(at));
      // Without this, a power failure after the rename can leave an empty file.
      await file.syncData();
    } finally {
      file.close();
    }
    await Deno.rename(part, path);
  } catch (error) {
    await Deno.remove(part).catch(() => {});
    throw new Error(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}
