import { join } from "@std/path";
import { crc32 } from "node:zlib";
import { rowBytes, type StoreHeader } from "./store_header.ts";

/** A block's checksum as in `store.json`: CRC-32, 8 hexadecimal digits. */
export function blockChecksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}

/** A run of rows of a store that is read and checked at once. */
export interface StoreBlock {
  /** Number of its shard. */
  shard: number;
  /** Its number in the shard. */
  index: number;
  /** Its rows. */
  rows: number;
}

/** The blocks of a store, in the order of its shards. */
export interface StoreBlocks {
  /** How many there are. */
  count: number;
  /** The shard of each, and its number there. */
  shard: Uint32Array;
  /** First block of each shard. */
  first: Uint32Array;
}

/** Finds the blocks of a store: 4 bytes each, however many rows they have. */
export function blocksOf({ shards, blockRows }: StoreHeader): StoreBlocks {
  const first = new Uint32Array(shards.length);
  let count = 0;
  for (const [s, { rows }] of shards.entries()) {
    first[s] = count;
    count += Math.ceil(rows / blockRows);
  }
  const shard = new Uint32Array(count);
  for (let s = 0; s < shards.length; s++) shard.fill(s, first[s], first[s + 1]);
  return { count, shard, first };
}

/** Block `block` of a store, counted over all shards. */
export function blockAt(
  { shards, blockRows }: StoreHeader,
  { shard, first }: StoreBlocks,
  block: number,
): StoreBlock {
  const own = shard[block];
  const index = block - first[own];
  return { shard: own, index, rows: Math.min(blockRows, shards[own].rows - index * blockRows) };
}

/**
 * Reads a block of a store and checks it against its checksum.
 *
 * @param out Destination, with as many bytes as the block.
 * @throws {Error} The shard cannot be read, is truncated or damaged; the message names it.
 */
export async function readBlock(
  folder: string,
  header: StoreHeader,
  { shard: own, index, rows }: StoreBlock,
  out: Uint8Array,
): Promise<void> {
  const shard = header.shards[own];
  const first = index * header.blockRows;
  const path = join(folder, shard.file);
  const where = `${path}, rows ${first} to ${first + rows - 1}`;
  try {
    // Opened for each block: 20 µs against 200 µs of reading, and no limit of open files.
    using file = await Deno.open(path);
    await file.seek(first * rowBytes(header), Deno.SeekMode.Start);
    for (let at = 0; at < out.length;) {
      const read = await file.read(out.subarray(at));
      if (read === null) throw new Error("the file ends too early");
      at += read;
    }
  } catch (error) {
    throw new Error(`cannot read ${where}: ${(error as Error).message}`, { cause: error });
  }
  const wanted = shard.crc32.slice(8 * index, 8 * index + 8);
  const found = blockChecksum(out);
  if (found !== wanted) {
    throw new Error(
      `${where}: the checksum is ${found}, expected ${wanted}: the file is damaged, restore it ` +
        `or harvest again`,
    );
  }
}
