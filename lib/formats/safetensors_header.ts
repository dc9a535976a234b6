import safetensors from "safetensors";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { isWhole } from "../whole_number.ts";

/** Where a tensor lies in a safetensors file. */
export interface TensorEntry {
  /** Element type, as the file names it: "F32", "BF16", … */
  dtype: string;
  /** Sizes of its dimensions; empty for a scalar. */
  shape: number[];
  /** First byte, counted from the start of the file. */
  start: number;
  /** Number of bytes. */
  byteLength: number;
}

/** A checked header: every entry lies inside the file and none overlaps another. */
export interface SafetensorsHeader {
  /** The tensors, by name. */
  tensors: Map<string, TensorEntry>;
  /** The file's own notes (`__metadata__`). */
  metadata: Record<string, string>;
}

/** Bytes an element of each known type takes. */
export const itemSizes: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

// The limit of the format's reference implementation.
const maxHeaderBytes = 100_000_000;

/**
 * Length of the JSON header, from the file's first 8 bytes.
 *
 * @param path Used in errors.
 * @param first The file's first 8 bytes.
 * @param fileSize Size of the whole file, bytes.
 * @throws {Error} The length is above the format's limit or does not fit the file.
 */
export function headerLength(path: string, first: Uint8Array, fileSize: number): number {
  if (fileSize < 8 || first.length < 8) {
    throw new Error(`${path} is ${fileSize} bytes long, expected at least 8 (a safetensors file)`);
  }
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new Error(
      `header length is ${length} bytes, expected at most ${maxHeaderBytes}, in ${path} ` +
        `(is it a safetensors file?)`,
    );
  }
  if (Number(length) > fileSize - 8) {
    throw new Error(
      `header length is ${length} bytes, but only ${fileSize - 8} follow, in ${path}: ` +
        `the file is cut short or not a safetensors file`,
    );
  }
  return Number(length);
}

/**
 * Checks a header and reads it.
 *
 * @param path Used in errors.
 * @param json The header's bytes, without the 8 of its length.
 * @param fileSize Size of the whole file, bytes.
 * @throws {Error} The header is not JSON, or an entry's type, shape and place do not fit each other
 * or the file; the message names the tensor, what was found and what is wanted.
 */
export function parseHeader(path: string, json: Uint8Array, fileSize: number): SafetensorsHeader {
  const header = parseJson(path, json);
  const metadata = checkMetadata(path, header["__metadata__"]);
  delete header["__metadata__"];
  const dataSize = fileSize - 8 - json.length;
  for (const [name, entry] of Object.entries(header)) checkEntry(path, name, entry, dataSize);

  // The package trusts its input and stumbles over `__metadata__`: it gets the checked entries only.
  const { buffer, length } = encodeHeader(header);
  const parsed = new safetensors.SafeTensor(buffer);
  const tensors = new Map<string, TensorEntry>();
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of parsed.metadata) {
    const start = begin - length + 8 + json.length;
    tensors.set(name, { dtype, shape, start, byteLength: end - begin });
  }
  checkCover(path, tensors, 8 + json.length, fileSize);
  return { tensors, metadata };
}

/**
 * Encodes a header with its length in front, padded with spaces to a multiple of 8 bytes.
 *
 * @param header Entries by name, with offsets counted from the end of the header.
 * @returns The bytes, from the start of their buffer, and their number.
 */
export function encodeHeader(header: Record<string, unknown>): {
  buffer: Uint8Array<ArrayBuffer>;
  length: number;
} {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const buffer = new Uint8Array(8 + padded).fill(0x20);
  new DataView(buffer.buffer).setBigUint64(0, BigInt(padded), true);
  buffer.set(text, 8);
  return { buffer, length: buffer.length };
}

function parseJson(path: string, json: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(json);
  } catch (error) {
    throw new Error(`header in ${path} is not UTF-8: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const header = parseCheckedJson(`header in ${path}`, text);
  if (!isRecord(header)) throw new Error(`header is not a JSON object in ${path}`);
  return header;
}

function checkMetadata(path: string, metadata: unknown): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string")) {
    throw new Error(`__metadata__ is not an object of strings in ${path}`);
  }
  return metadata as Record<string, string>;
}

function checkEntry(path: string, name: string, entry: unknown, dataSize: number): void {
  const fail = (what: string): never => {
    throw new Error(`${quote(name)} ${what} in ${path}`);
  };
  if (!isRecord(entry)) return fail("has no entry of dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== "string" || !Object.hasOwn(itemSizes, dtype)) {
    return fail(`has dtype ${show(dtype)}, expected one of ${Object.keys(itemSizes).join(", ")},`);
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    return fail(`has shape ${show(shape)}, expected whole numbers,`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    return fail(`has data_offsets ${show(offsets)}, expected two whole numbers,`);
  }
  const [begin, end] = offsets;
  if (begin > end || end > dataSize) {
    return fail(
      `has data_offsets [${begin}, ${end}], expected ascending and at most ${dataSize} ` +
        `(the bytes after the header),`,
    );
  }
  const wanted = shape.reduce((product, size) => product * size, itemSizes[dtype]);
  if (wanted !== end - begin) {
    fail(`is ${dtype} [${shape.join(", ")}], ${wanted} bytes, but has ${end - begin},`);
  }
}

/** The format wants the data to be one run of tensors with no gap and nothing after it. */
function checkCover(
  path: string,
  tensors: Map<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
): void {
  const inOrder = [...tensors].sort(([, a], [, b]) =>
    a.start - b.start || a.byteLength - b.byteLength
  );
  let at = dataStart;
  let before = "the header";
  for (const [name, { start, byteLength }] of inOrder) {
    if (start < at) throw new Error(`${quote(name)} overlaps ${before} in ${path}`);
    if (start > at) {
      throw new Error(
        `${start - at} bytes belong to no tensor, before ${quote(name)}, in ${path}`,
      );
    }
    at = start + byteLength;
    before = quote(name);
  }
  if (at !== fileSize) {
    throw new Error(`${fileSize - at} bytes belong to no tensor, after ${before}, in ${path}`);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return isWhole(value);
}

/** Names and values come from the file: long ones are cut. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "none";
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function quote(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
