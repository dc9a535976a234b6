import { massiveRows, MEDIAN_ROWS, medianNorm, type NormLimit } from "../sae/norm_limit.ts";
import type { Matrix } from "../matrix.ts";
import { blockAt, blocksOf } from "./read_block.ts";
import { type LeftOutRows, readBlocks } from "./read_windows.ts";
import { rowBytes, type StoreHeader } from "./store_header.ts";
import { storedRowReader } from "./stored_numbers.ts";

// Blocks that are read at a time: 16 MiB at 512 KiB each.
const BLOCKS = 32;

/**
 * Reads a store once, in its order on disk, and finds its massive rows. The median norm is by default
 * that of the first {@linkcode MEDIAN_ROWS} rows.
 *
 * @throws {Error} A block cannot be read, or is damaged.
 */
export async function findMassiveRows(
  folder: string,
  header: StoreHeader,
  choice: { multiple: number; medianNorm?: number },
): Promise<{ limit: NormLimit; leftOut: LeftOutRows }> {
  const limit = {
    multiple: choice.multiple,
    medianNorm: choice.medianNorm ?? await measureMedian(folder, header),
  };
  const leftOut = new Map<number, number[]>();
  for await (const { block, rows } of storedBlocks(folder, header)) {
    const massive = massiveRows(rows, limit);
    if (massive.length > 0) leftOut.set(block, massive);
  }
  return { limit, leftOut };
}

async function measureMedian(folder: string, header: StoreHeader): Promise<number> {
  const first: Matrix[] = [];
  let count = 0;
  for await (const { rows } of storedBlocks(folder, header)) {
    first.push(rows);
    count += rows.rows;
    if (count >= MEDIAN_ROWS) break;
  }
  return medianNorm(first);
}

async function* storedBlocks(
  folder: string,
  header: StoreHeader,
): AsyncGenerator<{ block: number; rows: Matrix }> {
  const { dModel: cols, dtype } = header;
  const all = blocksOf(header);
  const { count } = all;
  for (let first = 0; first < count; first += BLOCKS) {
    const length = Math.min(BLOCKS, count - first);
    const blocks = Uint32Array.from({ length }, (_, i) => first + i);
    const sizes = Array.from(blocks, (block) => blockAt(header, all, block).rows);
    const bytes = new Uint8Array(sizes.reduce((sum, rows) => sum + rows, 0) * rowBytes(header));
    await readBlocks(folder, header, all, blocks, bytes);
    const copyRow = storedRowReader(dtype, bytes, cols);
    let from = 0;
    for (const [i, rows] of sizes.entries()) {
      const data = new Float32Array(rows * cols);
      for (let row = 0; row < rows; row++) copyRow(from++, data, row);
      yield { block: blocks[i], rows: { data, rows, cols } };
    }
  }
}
