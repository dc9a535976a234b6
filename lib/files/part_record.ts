import { createHash } from "node:crypto";
import { join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText, regularFileSize } from "../language_model/regular_file.ts";
import { VERSION } from "../version.ts";
import { isWhole } from "../whole_number.ts";
import { type Part, partPaths, partText } from "./part.ts";
import { PATIENCE_MS, patiently } from "./patiently.ts";
import { replaceText } from "./replace_file.ts";

/** A file of a part. */
export interface PartFile {
  /** Its path in the part's folder, with "/". */
  name: string;
  /** Its length. */
  bytes: number;
  /** SHA-256, hexadecimal. */
  sha256: string;
}

/** What a finished part is: `3-of-8.done.json`, written when all its files are on disk. */
export interface PartRecord {
  format: "saewing part";
  version: 1;
  /** Program and version. */
  createdBy: string;
  /** The command. */
  command: string;
  /** Which part it is. */
  part: Part;
  /** The options that decide the bits of the result, as they were given. */
  options: Record<string, string[] | true>;
  /** Its files. */
  files: PartFile[];
  /** What merging needs beside the files. */
  result: Record<string, unknown>;
}

/**
 * Writes the record of a part whose files are all there.
 *
 * @param names Its files, relative to its folder. They are read back from the disk.
 * @param beforeRename Called before the record is put in place: reading takes a while, in which another process
 * can have taken the part over.
 * @throws {Error} A file cannot be read; the record cannot be written.
 */
export async function writePartRecord(
  out: string,
  { names, beforeRename, ...about }:
    & Omit<PartRecord, "format" | "version" | "createdBy" | "files">
    & { names: readonly string[]; beforeRename?: () => Promise<void> },
): Promise<PartRecord> {
  const { folder, done } = partPaths(out, about.part);
  const files: PartFile[] = [];
  for (const name of [...names].sort()) {
    const path = join(folder, name);
    files.push({ name, bytes: regularFileSize(path), sha256: await hashFile(path) });
  }
  const { command, part, options, result } = about;
  const record: PartRecord = {
    ...{ format: "saewing part", version: 1, createdBy: `saewing ${VERSION}` },
    ...{ command, part, options, files, result },
  };
  await replaceText(done, JSON.stringify(record, undefined, 2) + "\n", beforeRename);
  return record;
}

/**
 * The record of a part; undefined where it is not done.
 *
 * @throws {Error} The file is no such record, or of another part.
 */
export function readPartRecord(out: string, part: Part): PartRecord | undefined {
  const { done } = partPaths(out, part);
  let text: string;
  try {
    text = readRegularText(done);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  const again = `Remove it and run the part again`;
  let record: PartRecord;
  try {
    record = parseCheckedJson(done, text) as PartRecord;
  } catch (error) {
    throw new Error(`${(error as Error).message}. ${again}`, { cause: error });
  }
  const problem = problemOf(record, part);
  if (problem === undefined) return record;
  throw new Error(
    `${done} is not the record of part ${partText(part)}: ${problem}. ${again}`,
  );
}

/** What is wrong with a part's file. */
export interface FileProblem {
  /** Its path. */
  path: string;
  /** In words. */
  problem: string;
}

/**
 * Checks that files of a part are there with the bytes that its record names. On a shared folder a file can
 * appear late, or shorter first: what does not fit is looked at again until `patience` is over.
 *
 * @param places Where each file may be, in the order in which they are looked for.
 * @param patience Milliseconds for all files together.
 * @param read Whether to read all bytes; otherwise only lengths are compared.
 * @returns What is wrong, and where the others are.
 */
export async function checkPartFiles(
  record: PartRecord,
  places: (file: PartFile) => string[],
  { patience = PATIENCE_MS, read = true, signal }: {
    patience?: number;
    read?: boolean;
    signal?: AbortSignal;
  } = {},
): Promise<{ problems: FileProblem[]; found: Map<string, string> }> {
  const found = new Map<string, string>();
  let problems: FileProblem[] = [];
  const look = async (): Promise<void> => {
    problems = [];
    for (const file of record.files) {
      if (found.has(file.name)) continue;
      signal?.throwIfAborted();
      const looked = [];
      for (const path of places(file)) {
        const problem = await problemOfFile(path, file, read);
        if (problem === undefined) found.set(file.name, path);
        else looked.push({ path, problem });
        if (problem === undefined) break;
      }
      // Of several places, the one that has anything says more.
      if (!found.has(file.name)) {
        problems.push(looked.find(({ problem }) => problem !== MISSING) ?? looked[0]);
      }
    }
    if (problems.length > 0) throw new Error(problems[0].problem);
  };
  await patiently(look, patience, signal).catch(() => signal?.throwIfAborted());
  return { problems, found };
}

const MISSING = "is missing";

async function problemOfFile(
  path: string,
  { bytes, sha256 }: PartFile,
  read: boolean,
): Promise<string | undefined> {
  try {
    const size = regularFileSize(path);
    if (size !== bytes) return `has ${size} bytes, expected ${bytes}`;
    if (!read) return undefined;
    const hash = await hashFile(path);
    if (hash === sha256) return undefined;
    return `is damaged: its SHA-256 is ${hash.slice(0, 12)}…, expected ${sha256.slice(0, 12)}…`;
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    const isMissing = error instanceof NotFound || error instanceof NotADirectory;
    return isMissing ? MISSING : `cannot be read: ${(error as Error).message}`;
  }
}

/** SHA-256 of a file, hexadecimal, in memory that does not grow with it. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(2 ** 20);
  for (let read = await file.read(buffer); read !== null; read = await file.read(buffer)) {
    hash.update(buffer.subarray(0, read));
  }
  return hash.digest("hex");
}

function problemOf(record: unknown, part: Part): string | undefined {
  if (!isRecord(record)) return "it is not a JSON object";
  const { format, version, command, part: own, options, files, result } = record;
  if (format !== "saewing part" || version !== 1) {
    return `format and version are ${
      JSON.stringify([format, version])
    }, expected "saewing part" and 1`;
  }
  if (typeof command !== "string" || !isRecord(options) || !isRecord(result)) {
    return "command, options or result are missing";
  }
  const odd = Object.entries(options).find(([_, value]) =>
    value !== true && !(Array.isArray(value) && value.every((each) => typeof each === "string"))
  );
  if (odd) return `option ${odd[0]} is ${JSON.stringify(odd[1])}, expected texts or true`;
  if (!isRecord(own) || own.index !== part.index || own.count !== part.count) {
    return `it is of part ${JSON.stringify(own)}`;
  }
  if (!Array.isArray(files)) return "files is not a list";
  const wrong = files.findIndex((file) =>
    !isRecord(file) || !isWhole(file.bytes) || !/^[0-9a-f]{64}$/.test(String(file.sha256)) ||
    typeof file.name !== "string" || !isInside(file.name)
  );
  if (wrong >= 0) return `files[${wrong}] has no name, bytes and sha256 that fit`;
}

/** Whether a path stays in its folder. */
function isInside(path: string): boolean {
  return path.split("/").every((each) => !["", ".", ".."].includes(each)) && !/[\\\0]/.test(path);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
