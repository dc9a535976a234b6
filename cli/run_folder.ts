import { stringify } from "@std/csv";
import { join } from "@std/path";
import { removeLeftovers, replaceText } from "../lib/formats/replace_file.ts";
import { parseCheckedJson } from "../lib/language_model/checked_json.ts";
import { readRegularText } from "../lib/language_model/regular_file.ts";
import { recordColumns } from "../lib/training/record_columns.ts";
import type { StepRecord } from "../mod.ts";
import type { GivenOptions } from "./arguments.ts";
import { UsageError } from "./command.ts";

/** A folder that a run writes its results to, locked against other processes until it is closed. */
export interface RunFolder extends Disposable {
  /** Its path. */
  path: string;
  /** The folder of its checkpoint. */
  checkpoint: string;
  /** Starts metrics.jsonl anew with the records of a checkpoint. */
  startMetrics(records: StepRecord[]): Promise<void>;
  /** Adds records to metrics.jsonl. */
  addMetrics(records: StepRecord[]): void;
  /** Writes a JSON file. */
  writeJson(name: string, data: unknown): Promise<void>;
  /** Writes a text file. */
  writeText(name: string, text: string): Promise<void>;
  /** Writes metrics.csv. */
  writeMetricsTable(history: StepRecord[]): Promise<void>;
}

const CONFIG = "config.json";

/**
 * Makes a run's folder, before any work: a folder that cannot be written is told at once.
 *
 * @param anew Whether a run starts here; its folder must not hold an unfinished one, unless
 * `overwrite` gives that up.
 * @throws {UsageError} The folder holds an unfinished run.
 * @throws {Error} The folder cannot be made or written, or another process works in it.
 */
export async function openRunFolder(
  path: string,
  { anew, overwrite }: { anew: boolean; overwrite: boolean },
): Promise<RunFolder> {
  const metrics = join(path, "metrics.jsonl");
  const checkpoint = join(path, "checkpoint");
  let lock: Deno.FsFile;
  try {
    await Deno.mkdir(path, { recursive: true });
    lock = await Deno.open(join(path, ".lock"), { create: true, write: true });
    if (!await lock.tryLock(true)) throw new Error("another process works in it");
    for (const folder of [path, join(path, "sae")]) await removeLeftovers(folder);
  } catch (error) {
    throw new Error(`the output folder ${path} cannot be written: ${(error as Error).message}`);
  }
  if (anew) {
    if (!overwrite && await isUnfinished(path, checkpoint)) {
      throw new UsageError(
        `${path} holds an unfinished run: \`saewing train --resume ${path}\` goes on with it, ` +
          `--overwrite gives it up`,
      );
    }
    await Deno.remove(checkpoint, { recursive: true }).catch(ignoreMissing);
  }
  const writeText = (name: string, text: string) => replaceText(join(path, name), text);
  return {
    path,
    checkpoint,
    startMetrics: (records) => Deno.writeTextFile(metrics, formatRecords(records)),
    addMetrics: (records) => {
      Deno.writeTextFileSync(metrics, formatRecords(records), { append: true });
    },
    writeJson: (name, data) => writeText(name, JSON.stringify(data, plainArrays, 2) + "\n"),
    writeText,
    writeMetricsTable: (history) =>
      writeText(
        "metrics.csv",
        history.length === 0 ? "" : stringify(history as unknown as Record<string, unknown>[], {
          columns: recordColumns(history),
        }),
      ),
    [Symbol.dispose]: () => lock.close(),
  };
}

/**
 * The options that a run was started with.
 *
 * @param names Names of options with a value, and of flags.
 * @throws {UsageError} The folder is not a run's, or its options are not this version's.
 */
export function readRunOptions(
  path: string,
  { values, flags }: { values: string[]; flags: string[] },
): GivenOptions {
  const file = join(path, CONFIG);
  const options = readConfig(file)?.options as GivenOptions | undefined;
  if (!options || typeof options !== "object") {
    throw new UsageError(`there is no run to resume in ${path}: ${file} names no options`);
  }
  for (const [name, value] of Object.entries(options)) {
    const fits = flags.includes(name)
      ? value === true
      : values.includes(name) && Array.isArray(value) && value.every((x) => typeof x === "string");
    if (!fits) throw new UsageError(`${file} has an option that does not fit, ${name}`);
  }
  return options;
}

async function isUnfinished(path: string, checkpoint: string): Promise<boolean> {
  const started = await Deno.stat(join(checkpoint, "checkpoint.safetensors")).catch(ignoreMissing);
  return started !== undefined && readConfig(join(path, CONFIG))?.finished !== true;
}

function readConfig(file: string): Record<string, unknown> | undefined {
  try {
    const config = parseCheckedJson(file, readRegularText(file)) ?? undefined;
    return config as Record<string, unknown> | undefined;
  } catch (error) {
    return ignoreMissing(error);
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

function formatRecords(records: StepRecord[]): string {
  return records.map((record) => JSON.stringify(record) + "\n").join("");
}

function plainArrays(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
}
