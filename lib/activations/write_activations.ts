import { join } from "@std/path";
import { type Batches, openStream } from "../batches.ts";
import type { Progress } from "../progress.ts";
import { DEFAULT_NORM_LIMIT, type NormLimit, type NormLimitChoice } from "../sae/norm_limit.ts";
import { separateMassive } from "../sae/separate_massive.ts";
import { VERSION } from "../version.ts";
import { type ActivationStore, openActivationStore } from "./activation_store.ts";
import { replaceBytes } from "../files/replace_file.ts";
import { checkNumbers, checkSame, checkWriteOptions, resumedLimit } from "./check_write.ts";
import { dropRows } from "./drop_rows.ts";
import { lockStore } from "./lock_store.ts";
import { partSeed } from "./permutation.ts";
import { readStoreFolder, removeStore } from "./store_folder.ts";
import {
  HEADER_FILE,
  rowBytes,
  shardName,
  shardOf,
  type StoreHeader,
  type StorePart,
  type StoreSource,
} from "./store_header.ts";
import { storeShape } from "./store_shape.ts";
import { createShard, type Shard } from "./store_shard.ts";
import type { StoreDtype } from "./stored_numbers.ts";
import type { TextFingerprint } from "./text_fingerprint.ts";

/** Progress of {@linkcode writeActivations}; `done` is the number of rows read, massive ones included. */
export interface WriteProgress extends Progress {
  /** Rows in finished shards, which stay if the run ends now. */
  savedRows: number;
  /** Rows excluded as massive. */
  leftOut: number;
}

/** Options of {@linkcode writeActivations}. */
export interface WriteActivationsOptions extends StoreSource {
  /** Number format, "float32" if not given. */
  dtype?: StoreDtype;
  /** Seed of the order of rows within shards, 0 if not given. */
  seed?: number;
  /** Rows that are read and checked together, as many as fit 512 KiB if not given. */
  blockRows?: number;
  /**
   * Rows that are excluded as massive: by default those above 10 times the median norm of the first 4,096 rows.
   * A store that is continued keeps its own limit.
   */
  normLimit?: NormLimitChoice;
  /**
   * Activations of a shard, excluded ones counted: a multiple of `blockRows`, or rounded down to one where that
   * is not given; as many as fit 64 MiB if not given.
   */
  rowsPerShard?: number;
  /** The fingerprint passed to `orderedActivations`, so that a store is not continued with other texts. */
  fingerprint?: TextFingerprint;
  /** Whether to remove a store in the folder first; false if not given. */
  overwrite?: boolean;
  /**
   * Returns the activations from row `firstRow` on, excluded rows counted, to continue a store. If not
   * given, the rows of finished shards are read and dropped.
   */
  startAt?: (firstRow: number) => Batches;
  /** Aborts writing; the promise is rejected with the signal's reason. Finished shards stay. */
  signal?: AbortSignal;
  /** Called after each batch. */
  onProgress?: (progress: WriteProgress) => void;
}

/**
 * Writes activations to a folder: shards of raw little-endian rows, shuffled within a shard, and
 * `store.json`, which lists finished shards with their checksums. Files are written under a temporary
 * name and renamed. Memory is one shard.
 *
 * A run that ends early, even by SIGKILL, loses the shard it was filling. The next call with the same
 * options continues after the last finished shard, and the store ends with the same bytes.
 *
 * Massive rows are excluded by `normLimit`, and counted in `store.json`.
 *
 * @param batches Rows [any, d]; they are copied before the next batch is read.
 * @param folder The folder, created if it is missing.
 * @returns The store, opened.
 * @throws {RangeError} An option is out of range.
 * @throws {Error} Another process writes to the folder; it has a complete store, or an unfinished one
 * with other options; a number is not finite, or too large for float16 (65504) or bfloat16 (3.3895e38);
 * widths differ; there is no row; writing fails. Also any error of `batches`. Finished shards stay.
 *
 * @example
 * ```ts ignore
 * const startAt = (firstRow: number) => orderedActivations(model, texts, { firstRow });
 * const store = await writeActivations(() => startAt(0), "activations", {
 *   ...{ model: model.id, hook: model.hook, contextSize: 128, skipPositions: [0] },
 *   ...{ dtype: "float16", startAt },
 * });
 * const { sae } = await trainSae(device, store.batches({ epochs: 2 }), { dictSize: 4096, k: 32 });
 * ```
 */
export async function writeActivations(
  batches: Batches,
  folder: string,
  options: WriteActivationsOptions,
): Promise<ActivationStore> {
  checkWriteOptions(options);
  await makeFolder(folder);
  using _lock = await lockStore(folder);
  if (options.overwrite) await removeStore(folder);
  await writeStore(batches, folder, options);
  return await openActivationStore(folder);
}

/** What {@linkcode writeStore} writes. */
export interface WriteStoreOptions extends WriteActivationsOptions {
  /** Which part of a store, with the width of its rows: a part can have none. `batches` gives its rows only. */
  part?: StorePart & { dModel: number };
  /**
   * Called when a file is on the disk, before it is put in place; what it throws ends the writing. Of a part:
   * whether it is still this process's.
   */
  beforeWrite?: () => Promise<void>;
}

/**
 * Writes a store or a part of one, as {@linkcode writeActivations} says. The folder is not locked: who writes
 * a part holds its claim.
 */
export async function writeStore(
  batches: Batches,
  folder: string,
  options: WriteStoreOptions,
): Promise<StoreHeader> {
  const { onProgress, part } = options;
  checkWriteOptions(options);
  await makeFolder(folder);

  const found = await readStoreFolder(folder);
  if (found?.complete) {
    throw new Error(
      `${folder} already holds a complete store of ${found.rows} activations: choose another ` +
        `folder, or overwrite it`,
    );
  }
  const save = (name: string, bytes: Uint8Array) =>
    replaceBytes(join(folder, name), bytes, options.beforeWrite);
  const saveHeader = (header: StoreHeader) =>
    save(HEADER_FILE, new TextEncoder().encode(JSON.stringify(header, null, 2) + "\n"));

  let header = found;
  let limit: NormLimit | "none" = "none";
  let leftOut = found?.leftOut ?? 0;
  let shard: Shard | undefined;
  const flush = async () => {
    if (!header || !shard) return;
    const { bytes, crc32 } = shard.take();
    const file = shardName(shardOf(header.shards.length, part));
    await save(file, bytes);
    header.rows += bytes.length / rowBytes(header);
    header.shards.push({ file, rows: bytes.length / rowBytes(header), crc32 });
    if (header.normLimit !== undefined) header.leftOut = leftOut;
    if (options.fingerprint) header.texts = options.fingerprint.checksum(tokenRowsOf(header));
    await saveHeader(header);
    shard = undefined;
  };

  /** Token rows that all activations so far came from. */
  const tokenRowsOf = ({ rows }: StoreHeader): number => {
    const kept = options.contextSize - new Set(options.skipPositions).size;
    const taken = rows + leftOut;
    if (!part || taken === 0) return Math.ceil(taken / kept);
    // Activations before the last of these, those of other parts included.
    const shards = Math.floor((taken - 1) / header!.rowsPerShard);
    const first = shardOf(shards, part) * header!.rowsPerShard;
    return Math.ceil((first + taken - shards * header!.rowsPerShard) / kept);
  };

  let taken = (found?.rows ?? 0) + leftOut;
  if (found) checkSame(found, newHeader(options, found.dModel, "none"), folder);
  if (found?.texts) options.fingerprint?.expect(found.texts, `the ${found.rows} rows in ${folder}`);
  const choice = found ? resumedLimit(found, options.normLimit, folder) : options.normLimit;
  const source = options.startAt && taken > 0
    ? options.startAt(taken)
    : dropRows(openStream(batches), taken);
  const separated = separateMassive(source, choice ?? DEFAULT_NORM_LIMIT, (now) => limit = now);
  for await (const { all: { data, rows, cols }, massive } of separated) {
    options.signal?.throwIfAborted();
    if (!header) {
      header = newHeader(options, cols, limit);
      await saveHeader(header);
    }
    if (cols !== header.dModel || data.length !== rows * cols) {
      throw new Error(
        `a batch is [${rows}, ${cols}] with ${data.length} elements, expected ` +
          `${header.dModel} columns`,
      );
    }
    let next = 0;
    for (let r = 0; r < rows; r++, taken++) {
      if (!shard) {
        if (taken % header.rowsPerShard !== 0) throw longerText(folder, taken);
        const number = shardOf(header.shards.length, part);
        shard = createShard(header, partSeed(header.seed, number));
      }
      if (r === massive[next]) {
        next++;
        leftOut++;
      } else {
        const row = data.subarray(r * cols, (r + 1) * cols);
        checkNumbers(row, taken, header.dtype);
        shard.add(row);
      }
      if ((taken + 1) % header.rowsPerShard === 0) await flush();
    }
    onProgress?.({ phase: "writing", done: taken, savedRows: header.rows, leftOut });
  }
  await flush();
  if (part) header ??= newHeader(options, part.dModel, limit);
  if (!header || header.rows === 0 && !part) {
    throw new Error(
      `there are no activations to write to ${folder}` +
        (leftOut > 0 ? `: all ${leftOut} were excluded as massive` : ""),
    );
  }
  await Deno.remove(join(folder, shardName(shardOf(header.shards.length, part)))).catch(() => {});
  if (part && options.fingerprint) header.texts = options.fingerprint.last();
  header = {
    ...header,
    complete: true,
    ...(header.normLimit === undefined ? {} : { leftOut }),
  };
  await saveHeader(header);
  return header;
}

/** The last shard of an unfinished store is short where its text had ended: it cannot go on. */
function longerText(folder: string, taken: number): Error {
  return new Error(
    `${folder} holds an unfinished store of ${taken} activations, which were all of its text; the text has ` +
      `more now: give the same text, choose another folder, or overwrite it`,
  );
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw new Error(`cannot create the folder ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function newHeader(
  options: WriteStoreOptions,
  dModel: number,
  normLimit: NormLimit | "none",
): StoreHeader {
  const { model, hook, contextSize, prependBos, skipPositions, dataset, modelDtype } = options;
  const { dtype = "float32", seed = 0 } = options;
  return {
    format: "saewing activations",
    version: 2,
    createdBy: `saewing ${VERSION}`,
    // Absent where rows begin with BOS, as in stores from before there was a choice.
    ...{ model, hook, contextSize, prependBos: prependBos === false ? false : undefined },
    skipPositions,
    ...{ dataset, modelDtype, dtype, dModel },
    ...{ ...storeShape(dModel, options), seed },
    complete: false,
    rows: 0,
    ...{ normLimit, leftOut: 0 },
    ...(options.part && { part: partOf(options.part) }),
    shards: [],
  };
}

function partOf({ index, count, turn }: StorePart): StorePart {
  return { index, count, turn };
}
