import { join } from "@std/path";
import { removeLeftovers } from "../files/replace_file.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import {
  HEADER_FILE,
  parseStoreHeader,
  rowBytes,
  shardName,
  shardOf,
  type StoreHeader,
} from "./store_header.ts";

/**
 * Reads a store's header and checks that all its shards exist with the right size, and no others.
 *
 * @param moved Of a part of a store: another folder in which its shards may be.
 * @returns The header, or undefined where the folder has none.
 * @throws {Error} The header is malformed; a shard is missing, of another size or not listed.
 */
export async function readStoreFolder(
  folder: string,
  moved?: string,
): Promise<StoreHeader | undefined> {
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
  if (header) await checkSizes(folder, header, moved);
  await checkExtra(folder, header);
  return header;
}

async function checkSizes(folder: string, header: StoreHeader, moved?: string): Promise<void> {
  for (const { file, rows } of header.shards) {
    const path = join(folder, file);
    const info = await Deno.stat(path).catch((error) =>
      moved === undefined ? Promise.reject(error) : Deno.stat(join(moved, file))
    ).catch((error) => {
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
  // A run that is killed after a shard is in place and before it is listed leaves one.
  const unlisted = header && !header.complete ? shardName(shardOf(listed, header.part)) : undefined;
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
  const shards = names.filter((name) => /^shard-\d+\.bin$/.test(name));
  for (const name of [HEADER_FILE, ...shards]) {
    if (names.includes(name)) await Deno.remove(join(folder, name));
  }
  await removeLeftovers(folder);
}
