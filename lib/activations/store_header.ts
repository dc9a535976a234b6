import type { Part } from "../files/part.ts";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { checkNormLimit, type NormLimit } from "../sae/norm_limit.ts";
import { isWhole } from "../whole_number.ts";
import { numberBytes, STORE_DTYPES, type StoreDtype } from "./stored_numbers.ts";
import type { TokenRowsChecksum } from "./text_fingerprint.ts";

/** Origin of a store's activations. */
export interface StoreSource {
  /** Name of the model. */
  model: string;
  /** The hook. */
  hook: string;
  /** Tokens per row of text, BOS included. */
  contextSize: number;
  /** Whether rows of text began with BOS; true if absent. */
  prependBos?: boolean;
  /** Positions of each row that were skipped. */
  skipPositions: readonly number[];
  /** Name of the text. */
  dataset?: string;
  /** Numeric type of the model's weights, such as "fp32". */
  modelDtype?: string;
}

/** A file of a store. */
export interface StoreShard {
  /** Its name in the folder. */
  file: string;
  /** Its rows; none where all activations of its stretch were massive. */
  rows: number;
  /** CRC-32 of each block, 8 hexadecimal digits per block. */
  crc32: string;
}

/** Which shards of a store a part of it has: parts take turns. */
export interface StorePart extends Part {
  /** Shards of a turn. */
  turn: number;
}

/**
 * `store.json`. A shard is rows of `dModel` little-endian numbers and nothing else: those of `rowsPerShard`
 * activations, without the massive ones. So a shard can be written without those before it. Checksums
 * and reading go by blocks of `blockRows` rows, which divides `rowsPerShard`: only the last block of a
 * shard may be shorter.
 */
export interface StoreHeader extends StoreSource {
  /** Type of the file. */
  format: "saewing activations";
  /**
   * Version of the format. In version 1 every shard but the last had `rowsPerShard` rows after massive ones
   * were left out; it is read in the same way.
   */
  version: 1 | 2;
  /** Who wrote it. */
  createdBy: string;
  /** Number format. */
  dtype: StoreDtype;
  /** Width d of a row. */
  dModel: number;
  /** Activations of every shard but the last: its rows, and those left out of it as massive. */
  rowsPerShard: number;
  /** Rows of every block but the last of a shard. */
  blockRows: number;
  /** Seed of the order of rows within shards. */
  seed: number;
  /** Whether the store is complete. */
  complete: boolean;
  /** Rows of all shards. */
  rows: number;
  /** Which activations were excluded as massive; none if absent. */
  normLimit?: NormLimit | "none";
  /** Activations excluded as massive among those read for all shards; none if absent. */
  leftOut?: number;
  /** The token rows that the rows of all shards came from; absent where no checksum was computed. */
  texts?: TokenRowsChecksum;
  /** The shards, in order. */
  shards: StoreShard[];
  /** Of a part of a store: which shards these are. */
  part?: StorePart;
}

/** Name of the header's file in a store's folder. */
export const HEADER_FILE = "store.json";

// A damaged header could otherwise require any amount of memory.
const MAX_SHARD_BYTES = 2 ** 31;

/** Bytes of a row. */
export function rowBytes({ dtype, dModel }: Pick<StoreHeader, "dtype" | "dModel">): number {
  return dModel * numberBytes(dtype);
}

/** The name of shard `index`. */
export function shardName(index: number): string {
  return `shard-${String(index).padStart(5, "0")}.bin`;
}

/** Number in the whole store of a part's shard `own`; without a part that is `own`. */
export function shardOf(own: number, part?: StorePart): number {
  if (!part) return own;
  const { index, count, turn } = part;
  return (Math.floor(own / turn) * count + index - 1) * turn + own % turn;
}

/**
 * Parses the text of a `store.json` and checks all its fields.
 *
 * @param path Its path, for error messages.
 * @throws {Error} It is not such a file, or fields are missing, out of range or inconsistent.
 */
export function parseStoreHeader(text: string, path: string): StoreHeader {
  const json = parseCheckedJson(path, text);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw new Error(`${path} is not a JSON object, expected the header of an activation store`);
  }
  const header = json as StoreHeader;
  const bad = (name: string, found: unknown, wanted: string): Error =>
    new Error(`${name} is ${JSON.stringify(found)}, expected ${wanted}, in ${path}`);

  if (header.format !== "saewing activations") {
    throw bad("format", header.format, `"saewing activations"`);
  }
  if (header.version !== 1 && header.version !== 2) {
    throw bad("version", header.version, "1 or 2 (a newer saewing may read it)");
  }
  for (const name of ["model", "hook", "createdBy"] as const) {
    if (typeof header[name] !== "string") throw bad(name, header[name], "a string");
  }
  for (const name of ["dataset", "modelDtype"] as const) {
    if (header[name] !== undefined && typeof header[name] !== "string") {
      throw bad(name, header[name], "a string");
    }
  }
  if (!STORE_DTYPES.includes(header.dtype)) {
    throw bad("dtype", header.dtype, STORE_DTYPES.map((dtype) => `"${dtype}"`).join(" or "));
  }
  for (const name of ["contextSize", "dModel", "blockRows", "rowsPerShard"] as const) {
    if (!isWhole(header[name], 1)) throw bad(name, header[name], "a whole number above 0");
  }
  const { contextSize, skipPositions, rowsPerShard, blockRows, seed, complete, rows } = header;
  const isPosition = (p: unknown) => p === 0 || isWhole(p, 1) && p < contextSize;
  if (!Array.isArray(skipPositions) || !skipPositions.every(isPosition)) {
    throw bad("skipPositions", skipPositions, `positions from 0 to ${contextSize - 1}`);
  }
  if (rowsPerShard % blockRows !== 0) {
    throw bad("rowsPerShard", rowsPerShard, `a multiple of blockRows, ${blockRows}`);
  }
  if (rowsPerShard * rowBytes(header) > MAX_SHARD_BYTES) {
    throw bad(
      "rowsPerShard",
      rowsPerShard,
      `at most ${MAX_SHARD_BYTES} bytes per shard (${rowBytes(header)} bytes per row)`,
    );
  }
  if (!Number.isSafeInteger(seed)) throw bad("seed", seed, "a whole number");
  const { normLimit, leftOut } = header;
  if (normLimit !== undefined && !isRecordedLimit(normLimit)) {
    throw bad("normLimit", normLimit, `"none", or a multiple from 1 and a medianNorm from 0`);
  }
  if (leftOut !== undefined && !isWhole(leftOut)) {
    throw bad("leftOut", leftOut, "a whole number from 0");
  }
  const { prependBos } = header;
  if (prependBos !== undefined && typeof prependBos !== "boolean") {
    throw bad("prependBos", prependBos, "true or false");
  }
  if (typeof complete !== "boolean") throw bad("complete", complete, "true or false");
  const { texts } = header;
  const sound = typeof texts === "object" && isWhole(texts?.tokenRows, 1) &&
    typeof texts.crc32 === "string" && /^[0-9a-f]{8}$/.test(texts.crc32);
  if (texts !== undefined && !sound) throw bad("texts", texts, "tokenRows and crc32");
  const { part } = header;
  if (part !== undefined && !isStorePart(part)) throw bad("part", part, "index, count and turn");
  if (!Array.isArray(header.shards)) throw bad("shards", header.shards, "a list");
  header.shards.forEach((shard, index) => checkShard(shard, index, header, bad));
  const sum = header.shards.reduce((sum, shard) => sum + shard.rows, 0);
  if (rows !== sum) throw bad("rows", rows, `${sum}, the sum over shards`);
  return header;
}

function checkShard(
  shard: StoreShard,
  index: number,
  { part, rowsPerShard, blockRows }: StoreHeader,
  bad: (name: string, found: unknown, wanted: string) => Error,
): void {
  if (typeof shard !== "object" || shard === null) {
    throw bad(`shards[${index}]`, shard, "an object");
  }
  const { file, rows, crc32 } = shard;
  // One name for each place: no path out of the folder, and no file twice.
  const name = shardName(shardOf(index, part));
  if (file !== name) throw bad(`shards[${index}].file`, file, `"${name}"`);
  if (!isWhole(rows, 0, rowsPerShard)) {
    throw bad(`shards[${index}].rows`, rows, `a whole number from 0 to ${rowsPerShard}`);
  }
  const digits = 8 * Math.ceil(rows / blockRows);
  if (typeof crc32 !== "string" || crc32.length !== digits || !/^[0-9a-f]*$/.test(crc32)) {
    const found = typeof crc32 === "string" && crc32.length > 40 ? crc32.slice(0, 40) + "…" : crc32;
    throw bad(`shards[${index}].crc32`, found, `${digits} hexadecimal digits`);
  }
}

function isStorePart(part: StorePart): boolean {
  return isWhole(part?.count, 1) && isWhole(part.index, 1, part.count) && isWhole(part.turn, 1);
}

function isRecordedLimit(limit: NormLimit | "none"): boolean {
  try {
    checkNormLimit(limit);
    return limit === "none" || limit.medianNorm !== undefined;
  } catch {
    return false;
  }
}
