import { partSeed, permutation } from "./permutation.ts";
import { readBlock, rowsOfBlock } from "./read_block.ts";
import { rowBytes, type StoreHeader } from "./store_header.ts";

/** Blocks of a store that are mixed with one another. */
interface WindowPlan {
  blocks: Uint32Array;
  rows: number;
  seed: number;
  /** Rows at the window's begin, in its shuffled order, that are not wanted. */
  skip: number;
}

/** Rows of a window, and the order in which they come. */
export interface Window {
  /** The rows, one after another, as they are stored; valid until the next window is taken. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Rows in shuffled order. */
  order: Uint32Array;
}

/** What {@linkcode readWindows} reads. */
export interface WindowOptions {
  /** Seed of the order. */
  seed: number;
  /** How often every row comes; may be Infinity. */
  epochs: number;
  /** Rows of the shuffled stream to begin after. */
  firstRow: number;
  /** Blocks of a window. */
  windowBlocks: number;
}

// Reads under way. One leaves a solid-state disk idle between requests: 0.4 GB/s, 0.8 with 8, 1.0 with 32.
const READS = 32;

/**
 * Reads a store in shuffled windows. The next window is read while the consumer uses one: two
 * buffers of `windowBlocks` blocks, used in turn.
 */
export async function* readWindows(
  folder: string,
  header: StoreHeader,
  options: WindowOptions,
): AsyncGenerator<Window> {
  const blockBytes = Math.min(header.blockRows, header.rows) * rowBytes(header);
  const free = [0, 1].map(() => new Uint8Array(options.windowBlocks * blockBytes));
  const plans = planWindows(header, options);
  const start = () => {
    const next = plans.next();
    if (next.done) return undefined;
    const { value: plan } = next;
    const bytes = free.shift()!.subarray(0, plan.rows * rowBytes(header));
    const read = readBlocks(folder, header, plan.blocks, bytes);
    // It may fail before its turn comes, or after the consumer has left.
    read.catch(() => {});
    return { plan, bytes, read };
  };

  let current = start();
  try {
    while (current) {
      const { plan, bytes, read } = current;
      await read;
      current = start();
      yield { bytes, order: permutation(plan.rows, plan.seed).subarray(plan.skip) };
      free.push(new Uint8Array(bytes.buffer));
    }
  } finally {
    // Files are closed when the stream ends.
    await current?.read.catch(() => {});
  }
}

/** The windows of all epochs from a row on, without reading any: what is left out costs nothing. */
function* planWindows(
  header: StoreHeader,
  { seed, epochs, firstRow, windowBlocks }: WindowOptions,
): Generator<WindowPlan> {
  const count = Math.ceil(header.rows / header.blockRows);
  const firstEpoch = Math.floor(firstRow / header.rows);
  let skip = firstRow % header.rows;
  for (let epoch = firstEpoch; epoch < epochs; epoch++) {
    const epochSeed = partSeed(seed, epoch);
    const order = permutation(count, epochSeed);
    for (let at = 0; at < count; at += windowBlocks) {
      const blocks = order.subarray(at, at + windowBlocks);
      const rows = blocks.reduce((sum, block) => sum + rowsOfBlock(header, block), 0);
      if (skip < rows) {
        yield { blocks, rows, seed: partSeed(epochSeed, at), skip };
        skip = 0;
      } else {
        skip -= rows;
      }
    }
  }
}

async function readBlocks(
  folder: string,
  header: StoreHeader,
  blocks: Uint32Array,
  out: Uint8Array,
): Promise<void> {
  let next = 0;
  let at = 0;
  const read = async () => {
    while (next < blocks.length) {
      const block = blocks[next++];
      const from = at;
      at += rowsOfBlock(header, block) * rowBytes(header);
      await readBlock(folder, header, block, out.subarray(from, at));
    }
  };
  // All end before one's error is passed on: none still writes to a buffer that is used again.
  const ends = await Promise.allSettled(Array.from({ length: READS }, read));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
