import { join } from "@std/path";
import { setImmediate } from "node:timers";
import type { Matrix } from "../matrix.ts";
import { createRandom } from "../random.ts";
import { checkNormLimit, type NormLimit, type NormLimitChoice } from "../sae/norm_limit.ts";
import { checkWhole, isWhole } from "../whole_number.ts";
import { findMassiveRows } from "./find_massive_rows.ts";
import { blocksOf } from "./read_block.ts";
import { countLeftOut, largestBlock, type LeftOutRows, readWindows } from "./read_windows.ts";
import { readStoreFolder } from "./store_folder.ts";
import { HEADER_FILE, rowBytes, type StoreHeader, type StoreSource } from "./store_header.ts";
import { readStoreParts } from "./store_parts.ts";
import { storedRowReader, type StoreDtype } from "./stored_numbers.ts";

/** Options of {@linkcode ActivationStore.batches}. */
export interface StoreBatchesOptions {
  /** Rows per batch, 2048 if not given; at most the store's rows, unless `keepLast` is set. */
  batchSize?: number;
  /** Seed of the order, a whole number, 0 if not given. */
  seed?: number;
  /** Number of epochs, 1 if not given; may be Infinity. */
  epochs?: number;
  /** Batches to skip at the beginning, unread; 0 if not given. */
  startBatch?: number;
  /** Bytes of stored rows that are shuffled together, 64 MiB if not given. */
  windowBytes?: number;
  /** Whether the last rows that do not fill a batch are returned in a smaller one; false if not given. */
  keepLast?: boolean;
  /**
   * Whether all batches share one buffer, which the next batch overwrites; false if not given.
   * Allocating 12 MiB takes 5 ms (the system clears its pages), filling them 2 ms.
   */
  shareBuffer?: boolean;
}

/** Activations in a folder on disk. Plain data: nothing is open between reads. */
export interface ActivationStore extends StoreSource {
  /** The folder. */
  folder: string;
  /** Number format. */
  dtype: StoreDtype;
  /** Width d of a row. */
  dModel: number;
  /** Number of rows that are returned, massive ones excluded. */
  rows: number;
  /** Which activations are excluded as massive; "none" where all are returned. */
  normLimit: NormLimit | "none";
  /** Number of activations excluded as massive, when the store was written or when it was opened. */
  leftOut: number;
  /**
   * Reads the store shuffled, as batches [batchSize, d].
   *
   * Every row comes once per epoch; a batch may contain the end of one epoch and the beginning of the next.
   * The order depends on the seed and `windowBytes` alone, and differs from epoch to epoch; batch i
   * with `startBatch: s` is batch s + i without.
   * Blocks (512 KiB of rows, drawn at random from 64 MiB of the stream when they were written) come in
   * uniformly random order, and rows of `windowBytes` of consecutive blocks are uniformly permuted:
   * by default a batch is drawn from 128 random blocks of the store.
   *
   * Memory is 2 · `windowBytes` (one window is read while batches are made of the other), or two
   * blocks where that is more, 8 bytes per block of the store, 4 bytes per row of a window, and a batch.
   * Every block is checked against its checksum.
   *
   * @throws {RangeError} An option is out of range.
   * @throws {Error} While batches are read: a shard cannot be read, is truncated or damaged; the message
   * names it.
   */
  batches(options?: StoreBatchesOptions): AsyncGenerator<Matrix>;
}

/** Options of {@linkcode openActivationStore}. */
export interface OpenStoreOptions {
  /**
   * Rows that are excluded as massive in addition to those excluded when the store was written; none if not
   * given. The median is that of the store, or is measured on its first 4,096 stored rows; then the store is
   * read once to find the rows.
   */
  normLimit?: NormLimitChoice;
}

/**
 * Opens a folder of activations that {@linkcode writeActivations} or `saewing harvest` wrote, in one piece or
 * in parts. Only its header is read, or with a further `normLimit` all rows.
 *
 * @throws {RangeError} `normLimit` is not a valid limit, or is above the one that the store was written
 * with.
 * @throws {Error} There is no store, or an unfinished one; its header is malformed; a shard is
 * missing, of the wrong size or not listed. The message names it.
 */
export async function openActivationStore(
  folder: string,
  options: OpenStoreOptions = {},
): Promise<ActivationStore> {
  const isOne = await Deno.stat(join(folder, HEADER_FILE)).then(() => true, () => false);
  const header = (isOne ? undefined : await readStoreParts(folder)) ??
    await readStoreFolder(folder);
  if (!header) throw new Error(`${folder} is not an activation store: it has no ${HEADER_FILE}`);
  if (header.part) {
    const { index, count } = header.part;
    throw new Error(
      `${folder} is part ${index} of ${count} of a store: open the folder that has all of them`,
    );
  }
  if (!header.complete) {
    throw new Error(
      `${folder} is unfinished, with ${header.rows} activations in ${header.shards.length} ` +
        `shards: start the same harvest again, it continues from there`,
    );
  }
  if (header.rows === 0) throw new Error(`${join(folder, HEADER_FILE)} lists no rows`);
  const choice = furtherLimit(folder, header, options.normLimit);
  const massive = choice && await findMassiveRows(folder, header, choice);
  const found = countLeftOut(massive?.leftOut);
  if (found === header.rows) {
    throw new Error(`all ${found} activations in ${folder} are above the limit on norms`);
  }
  const { model, hook, contextSize, prependBos = true, skipPositions } = header;
  const { dataset, modelDtype, dtype } = header;
  return {
    ...{ folder, model, hook, contextSize, prependBos, skipPositions },
    ...{ dataset, modelDtype, dtype },
    dModel: header.dModel,
    rows: header.rows - found,
    normLimit: massive?.limit ?? header.normLimit ?? "none",
    leftOut: (header.leftOut ?? 0) + found,
    batches: (options = {}) => shuffledBatches(folder, header, options, massive?.leftOut),
  };
}

/** The limit for rows to exclude in addition to those excluded when writing; undefined for none. */
function furtherLimit(
  folder: string,
  { normLimit: written = "none" }: StoreHeader,
  requested: NormLimitChoice | undefined,
): Exclude<NormLimitChoice, "none"> | undefined {
  if (requested === undefined) return undefined;
  checkNormLimit(requested);
  if (written === "none") return requested === "none" ? undefined : requested;
  const most = (limit: NormLimit) => limit.multiple * limit.medianNorm;
  const wanted = requested === "none" ? requested : { ...written, ...requested } as NormLimit;
  if (wanted === "none" || most(wanted) > most(written)) {
    const { multiple, medianNorm } = written;
    throw new RangeError(
      `the store in ${folder} was written without activations above ${multiple} times the median ` +
        `norm ${Number(medianNorm.toPrecision(4))}, requested is ` +
        `${requested === "none" ? "all" : `up to ${requested.multiple} times`}: harvest again`,
    );
  }
  return most(wanted) === most(written) ? undefined : wanted;
}

function shuffledBatches(
  folder: string,
  header: StoreHeader,
  options: StoreBatchesOptions,
  leftOut: LeftOutRows | undefined,
): AsyncGenerator<Matrix> {
  const { batchSize = 2048, seed = 0, epochs = 1, startBatch = 0 } = options;
  const { windowBytes = 2 ** 26, keepLast = false, shareBuffer = false } = options;
  const storeRows = header.rows - countLeftOut(leftOut);
  checkWhole(batchSize, "batchSize");
  checkWhole(windowBytes, "windowBytes");
  if (!(epochs === Infinity || isWhole(epochs, 1))) {
    throw new RangeError(`epochs is ${epochs}, expected a whole number above 0 or Infinity`);
  }
  if (storeRows === 0 || (batchSize > storeRows && !keepLast)) {
    throw new RangeError(
      `batchSize is ${batchSize}, the store in ${folder} holds only ${storeRows} activations`,
    );
  }
  const rows = storeRows * epochs;
  const last = (keepLast ? Math.ceil : Math.floor)(rows / batchSize);
  if (!(isWhole(startBatch, 0, last) && isWhole(startBatch * batchSize))) {
    throw new RangeError(
      `startBatch is ${startBatch}, expected a whole number from 0 to ${last}: ${epochs} epochs of ` +
        `${storeRows} activations are ${last} batches of ${batchSize}`,
    );
  }
  createRandom(seed);
  const blockBytes = largestBlock(header) * rowBytes(header);
  const blocks = blocksOf(header).count;
  const windowBlocks = Math.min(blocks, Math.max(1, Math.floor(windowBytes / blockBytes)));
  // A start at the end of the stream reads no rows.
  const firstRow = Math.min(startBatch * batchSize, rows);
  const windows = readWindows(folder, header, { seed, epochs, firstRow, windowBlocks, leftOut });
  return cutBatches(windows, header, { batchSize, keepLast, shareBuffer });
}

async function* cutBatches(
  windows: AsyncIterable<{ bytes: Uint8Array<ArrayBuffer>; order: Uint32Array }>,
  { dtype, dModel: d }: StoreHeader,
  { batchSize, keepLast, shareBuffer }: Required<
    Pick<StoreBatchesOptions, "batchSize" | "keepLast" | "shareBuffer">
  >,
): AsyncGenerator<Matrix> {
  let data = new Float32Array(batchSize * d);
  let filled = 0;
  for await (const { bytes, order } of windows) {
    const copyRow = storedRowReader(dtype, bytes, d);
    for (const row of order) {
      copyRow(row, data, filled++);
      if (filled < batchSize) continue;
      // Reads continue in turns of the event loop, which a consumer that never awaits would block.
      await new Promise<void>((resolve) => setImmediate(resolve));
      yield { data, rows: batchSize, cols: d };
      if (!shareBuffer) data = new Float32Array(batchSize * d);
      filled = 0;
    }
  }
  if (keepLast && filled > 0) yield { data: data.slice(0, filled * d), rows: filled, cols: d };
}
