import { join } from "@std/path";
import { type Batches, openStream } from "../batches.ts";
import type { Progress } from "../progress.ts";
import { createRandom } from "../random.ts";
import {
  checkNormLimit,
  DEFAULT_NORM_LIMIT,
  type NormLimit,
  type NormLimitChoice,
} from "../sae/norm_limit.ts";
import { separateMassive } from "../sae/separate_massive.ts";
import { VERSION } from "../version.ts";
import { checkWhole } from "../whole_number.ts";
import { type ActivationStore, openActivationStore } from "./activation_store.ts";
import { dropRows } from "./drop_rows.ts";
import { lockStore } from "./lock_store.ts";
import { partSeed } from "./permutation.ts";
import { blockChecksum } from "./read_block.ts";
import { readStoreFolder, removeStore, writeStoreFile } from "./store_folder.ts";
import {
  HEADER_FILE,
  rowBytes,
  shardName,
  type StoreHeader,
  type StoreSource,
} from "./store_header.ts";
import { createStoredRows, STORE_DTYPES, type StoreDtype, TOO_LARGE } from "./stored_numbers.ts";
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
  /** Rows per shard, a multiple of `blockRows`; as many as fit 64 MiB if not given. */
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

const BLOCK_BYTES = 2 ** 19;
const SHARD_BYTES = 2 ** 26;

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
  const { onProgress } = options;
  checkOptions(options);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw new Error(`cannot create the folder ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  using _lock = await lockStore(folder);
  if (options.overwrite) await removeStore(folder);
  const found = await readStoreFolder(folder);
  if (found?.complete) {
    throw new Error(
      `${folder} already holds a complete store of ${found.rows} activations: choose another ` +
        `folder, or overwrite it`,
    );
  }
  const saveHeader = (header: StoreHeader) =>
    writeStoreFile(
      join(folder, HEADER_FILE),
      new TextEncoder().encode(JSON.stringify(header, null, 2) + "\n"),
    );

  let header = found;
  let limit: NormLimit | "none" = "none";
  let leftOut = found?.leftOut ?? 0;
  let shard: Shard | undefined;
  const flush = async () => {
    if (!header || !shard || shard.rows() === 0) return;
    const { bytes, crc32 } = shard.take();
    const file = shardName(header.shards.length);
    await writeStoreFile(join(folder, file), bytes);
    header.rows += bytes.length / rowBytes(header);
    header.shards.push({ file, rows: bytes.length / rowBytes(header), crc32 });
    if (header.normLimit !== undefined) header.leftOut = leftOut;
    const { fingerprint, contextSize, skipPositions } = options;
    const kept = contextSize - new Set(skipPositions).size;
    const read = Math.ceil((header.rows + leftOut) / kept);
    if (fingerprint) header.texts = fingerprint.checksum(read);
    await saveHeader(header);
    shard = undefined;
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
      if (r === massive[next]) {
        next++;
        leftOut++;
        continue;
      }
      const row = data.subarray(r * cols, (r + 1) * cols);
      checkNumbers(row, taken, header.dtype);
      shard ??= createShard(header, partSeed(header.seed, header.shards.length));
      shard.add(row);
      if (shard.rows() === header.rowsPerShard) await flush();
    }
    onProgress?.({ phase: "writing", done: taken, savedRows: header.rows, leftOut });
  }
  await flush();
  if (!header || header.rows === 0) {
    throw new Error(
      `there are no activations to write to ${folder}` +
        (leftOut > 0 ? `: all ${leftOut} were excluded as massive` : ""),
    );
  }
  await Deno.remove(join(folder, shardName(header.shards.length))).catch(() => {});
  await saveHeader({
    ...header,
    complete: true,
    ...(header.normLimit === undefined ? {} : { leftOut }),
  });
  return await openActivationStore(folder);
}

interface Shard {
  rows(): number;
  add(row: Float32Array): void;
  take(): { bytes: Uint8Array; crc32: string };
}

/** The rows of a shard, shuffled as they are added: row i swaps with a random one of rows 0 … i. */
function createShard(header: StoreHeader, seed: number): Shard {
  const { dModel: d, rowsPerShard, blockRows } = header;
  const random = createRandom(seed);
  const stored = createStoredRows(header.dtype, rowsPerShard, d);
  let filled = 0;
  return {
    rows: () => filled,
    add(row) {
      const place = random.below(filled + 1);
      if (place < filled) stored.move(place, filled);
      stored.set(place, row);
      filled++;
    },
    take() {
      const bytes = stored.bytes(filled);
      const blockBytes = blockRows * rowBytes(header);
      let digits = "";
      for (let at = 0; at < bytes.length; at += blockBytes) {
        digits += blockChecksum(bytes.subarray(at, at + blockBytes));
      }
      return { bytes, crc32: digits };
    },
  };
}

function newHeader(
  options: WriteActivationsOptions,
  dModel: number,
  normLimit: NormLimit | "none",
): StoreHeader {
  const { model, hook, contextSize, prependBos, skipPositions, dataset, modelDtype } = options;
  const { dtype = "float32", seed = 0 } = options;
  const bytes = rowBytes({ dtype, dModel });
  const blockRows = options.blockRows ?? Math.max(1, Math.floor(BLOCK_BYTES / bytes));
  const blocks = Math.max(1, Math.floor(SHARD_BYTES / (blockRows * bytes)));
  return {
    format: "saewing activations",
    version: 1,
    createdBy: `saewing ${VERSION}`,
    // Absent where rows begin with BOS, as in stores from before there was a choice.
    ...{ model, hook, contextSize, prependBos: prependBos === false ? false : undefined },
    skipPositions,
    ...{ dataset, modelDtype, dtype, dModel },
    ...{ rowsPerShard: options.rowsPerShard ?? blocks * blockRows, blockRows, seed },
    complete: false,
    rows: 0,
    ...{ normLimit, leftOut: 0 },
    shards: [],
  };
}

function checkOptions(options: WriteActivationsOptions): void {
  const { dtype = "float32", seed = 0, rowsPerShard, blockRows } = options;
  if (!STORE_DTYPES.includes(dtype)) {
    const known = STORE_DTYPES.map((dtype) => `"${dtype}"`).join(" or ");
    throw new RangeError(`dtype is ${dtype}, expected ${known}`);
  }
  if (options.normLimit !== undefined) checkNormLimit(options.normLimit);
  for (const [name, count] of Object.entries({ rowsPerShard, blockRows })) {
    if (count !== undefined) checkWhole(count, name);
  }
  if (rowsPerShard !== undefined && (blockRows === undefined || rowsPerShard % blockRows !== 0)) {
    throw new RangeError(
      `rowsPerShard is ${rowsPerShard}, expected a multiple of blockRows, which is ${blockRows}`,
    );
  }
  createRandom(seed);
}

/** Checks that an unfinished store has the same options: its header describes all its rows. */
function checkSame(found: StoreHeader, wanted: StoreHeader, folder: string): void {
  const names = ["model", "hook", "contextSize", "prependBos", "skipPositions"] as const;
  const more = ["dataset", "modelDtype"] as const;
  for (const name of [...names, ...more, "dtype", "rowsPerShard", "blockRows", "seed"] as const) {
    const [was, is] = [found[name], wanted[name]].map((value) => JSON.stringify(value));
    if (was === is) continue;
    throw new Error(
      `${folder} holds an unfinished store with ${name} ${was}, this run has ${is}: continue with ` +
        `the same options, choose another folder, or overwrite it`,
    );
  }
}

/** The limit of an unfinished store; the requested one must be the same. */
function resumedLimit(
  { normLimit: found = "none" }: StoreHeader,
  requested: NormLimitChoice | undefined,
  folder: string,
): NormLimit | "none" {
  if (requested === undefined) return found;
  const same = requested === "none" || found === "none"
    ? requested === found
    : requested.multiple === found.multiple &&
      (requested.medianNorm === undefined || requested.medianNorm === found.medianNorm);
  if (same) return found;
  const words = [found, requested].map((limit) => JSON.stringify(limit));
  throw new Error(
    `${folder} holds an unfinished store with normLimit ${words[0]}, this run has ${
      words[1]
    }: continue ` +
      `with the same options, choose another folder, or overwrite it`,
  );
}

function checkNumbers(row: Float32Array, index: number, dtype: StoreDtype): void {
  const { from, most } = TOO_LARGE[dtype];
  for (let i = 0; i < row.length; i++) {
    if (Math.abs(row[i]) < from) continue;
    const where = `row ${index}, column ${i}`;
    throw new Error(
      Number.isFinite(row[i])
        ? `${where} is ${row[i]}, the largest ${dtype} is ${most}: store them as float32`
        : `${where} is ${row[i]}, expected a finite number`,
    );
  }
}
