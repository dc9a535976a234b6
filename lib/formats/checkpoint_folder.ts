import { createHash } from "node:crypto";
import { join } from "@std/path";
import type { Checkpoint } from "../training/checkpoint.ts";
import type { StepRecord } from "../training/step_record.ts";
import { recordColumns } from "../training/record_columns.ts";
import { removeLeftovers } from "../files/replace_file.ts";
import {
  type Elements,
  openSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from "./safetensors.ts";
import { checkFits } from "./tensor_file.ts";

/** Raised when the meaning of a file changes; others are refused. */
const FORMAT = "2";
/** Files from before there were checksums. */
const UNCHECKED = "1";
/** One file, so that one rename replaces all of a checkpoint. */
const NAME = "checkpoint.safetensors";
const HISTORY = "history";

/**
 * Saves a checkpoint in a folder as `checkpoint.safetensors`, in place of the one before. It is
 * written beside its place, flushed to the disk and then renamed: whenever the process is killed or
 * the disk is full, the folder holds the last whole checkpoint. A SHA-256 in the file's metadata
 * covers all that is loaded: arrays, history, options and the SAE's notes.
 *
 * @param folder Made where missing. Two runs must not share it.
 * @throws {Error} It cannot be written; the checkpoint before stays.
 *
 * @example
 * ```ts ignore
 * const save = (checkpoint: Checkpoint) => saveCheckpoint(checkpoint, "runs/long/checkpoint");
 * await trainSae(device, batches, { ...options, checkpoint: { every: 500, save } });
 * ```
 */
export async function saveCheckpoint(checkpoint: Checkpoint, folder: string): Promise<void> {
  const { arrays, history, ...plain } = checkpoint;
  const columns = recordColumns(history);
  const table = new Float64Array(history.length * columns.length);
  history.forEach((record, row) =>
    columns.forEach((name, column) => table[row * columns.length + column] = record[name] ?? NaN)
  );
  const notes = JSON.stringify({ ...plain, columns });
  const tensors: Record<string, { shape: number[]; data: Elements }> = {
    [HISTORY]: { shape: [history.length, columns.length], data: table },
  };
  for (const [name, data] of Object.entries(arrays)) tensors[name] = { shape: [data.length], data };
  const digest = startDigest(notes);
  for (const [name, { shape, data }] of Object.entries(tensors)) digest.add(name, shape, data);
  try {
    await Deno.mkdir(folder, { recursive: true });
    // Each kill while a checkpoint is written leaves a part of one.
    await removeLeftovers(folder);
    const metadata = { format: FORMAT, sha256: digest.end(), checkpoint: notes };
    await writeSafetensors(join(folder, NAME), tensors, metadata);
  } catch (error) {
    throw new Error(
      `the checkpoint of step ${checkpoint.steps} cannot be saved in ${folder}: ` +
        `${(error as Error).message}. An earlier one is untouched`,
      { cause: error },
    );
  }
}

/**
 * Loads the checkpoint of a folder. Its checksum is compared; checkpoints of format 1, from before
 * there were checksums, are loaded without.
 *
 * @returns The checkpoint, or undefined where the folder has none: a script can start and resume with
 * the same lines.
 * @throws {Error} The file is cut short or damaged, is not a checkpoint, or is of another version.
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint | undefined> {
  const path = join(folder, NAME);
  if (!await exists(path)) return undefined;
  await using file = await openSafetensors(path);
  const { format, sha256, checkpoint } = file.metadata;
  if (checkpoint === undefined) throw new Error(`${path} is not a checkpoint of saewing`);
  if (format !== FORMAT && format !== UNCHECKED) {
    throw new Error(
      `${path} has checkpoint format ${format}, this version reads ${UNCHECKED} and ${FORMAT}`,
    );
  }
  const { columns, ...plain } = parsePlain(path, checkpoint);
  const digest = startDigest(checkpoint);
  const table = await readHistory(file, columns, plain.steps);
  digest.add(HISTORY, [plain.steps, columns.length], table);
  const arrays: Checkpoint["arrays"] = {};
  for (const [name, { shape, dtype }] of file.tensors) {
    if (name === HISTORY) continue;
    const [length] = shape;
    if (shape.length !== 1 || (dtype !== "F32" && dtype !== "U32")) {
      throw new Error(`${name} is ${dtype} [${shape}], expected F32 or U32 [length], in ${path}`);
    }
    checkFits(path, name, shape);
    arrays[name] = dtype === "U32" ? new Uint32Array(length) : new Float32Array(length);
    await file.read(name, 0, arrays[name]);
    digest.add(name, shape, arrays[name]);
  }
  if (format === FORMAT && digest.end() !== sha256) {
    throw new Error(
      `${path} is damaged: its checksum (SHA-256) is not the one that was saved with it. Restore the ` +
        `file from a copy, or start the run anew`,
    );
  }
  return { ...plain, history: historyOf(table, columns), arrays };
}

/** SHA-256 of all that is loaded, in the order of the file. 450 MB take 0.3 s. */
function startDigest(notes: string) {
  const hash = createHash("sha256").update(notes);
  return {
    add(name: string, shape: number[], data: Elements): void {
      hash.update(JSON.stringify([name, data.constructor.name, shape]));
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      for (let at = 0; at < bytes.length; at += 2 ** 26) {
        hash.update(bytes.subarray(at, at + 2 ** 26));
      }
    },
    end: () => hash.digest("hex"),
  };
}

async function readHistory(
  file: SafetensorsFile,
  columns: string[],
  steps: number,
): Promise<Float64Array> {
  const shape = file.tensors.get(HISTORY)?.shape.join(", ");
  if (shape !== `${steps}, ${columns.length}`) {
    throw new Error(
      `${HISTORY} is [${shape ?? "missing"}], expected [steps, columns] = [${steps}, ` +
        `${columns.length}], in ${file.path}`,
    );
  }
  const table = new Float64Array(steps * columns.length);
  await file.read(HISTORY, 0, table);
  return table;
}

function historyOf(table: Float64Array, columns: string[]): StepRecord[] {
  return Array.from(
    { length: columns.length === 0 ? 0 : table.length / columns.length },
    (_, row) =>
      Object.fromEntries(
        columns.map((name, column) => [name, table[row * columns.length + column]] as const)
          // What a record lacks is kept as NaN; no number of a record is that, as such a step fails.
          .filter(([, value]) => !Number.isNaN(value)),
      ) as unknown as StepRecord,
  );
}

function parsePlain(
  path: string,
  text: string,
): Omit<Checkpoint, "history" | "arrays"> & { columns: string[] } {
  let plain;
  try {
    plain = JSON.parse(text);
  } catch (error) {
    throw new Error(`the checkpoint's notes are not JSON in ${path}`, { cause: error });
  }
  const kinds = {
    steps: Number.isSafeInteger,
    samples: Number.isSafeInteger,
    lastBatch: Number.isSafeInteger,
    settings: isRecord,
    sae: isRecord,
    columns: (value: unknown) => Array.isArray(value) && value.every((x) => typeof x === "string"),
  };
  for (const [name, fits] of Object.entries(kinds)) {
    if (!isRecord(plain) || !fits(plain[name])) {
      throw new Error(`the checkpoint's notes have no sound "${name}" in ${path}`);
    }
  }
  return plain;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw new Error(`cannot open ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
