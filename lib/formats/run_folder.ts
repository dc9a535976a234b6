import { join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import type { Sae } from "../sae/sae.ts";
import type { Checkpoint } from "../training/checkpoint.ts";
import type { StepRecord } from "../training/step_record.ts";
import { loadCheckpoint } from "./checkpoint_folder.ts";
import { metricsTable } from "./metrics_table.ts";
import {
  type OpenOutput,
  openOutputFolder,
  type OutputFolder,
  OutputFolderError,
} from "./output_folder.ts";
import { type FoundRun, saeFiles } from "./run_files.ts";
import { saveSae } from "./sae_folder.ts";

/** The folder of a training run: `sae/`, `checkpoint/`, config.json, metrics and measures. */
export interface RunFolder extends Omit<OutputFolder, "start"> {
  /** Removes the run that is replaced and marks this one as started, once; see {@linkcode OutputFolder}. */
  start(): Promise<void>;
  /** The folder of its checkpoint. */
  checkpoint: string;
  /** The checkpoint of this run, not of one that it replaces. */
  loadCheckpoint(): Promise<Checkpoint | undefined>;
  /** Starts metrics.jsonl over with the records of a checkpoint. */
  startMetrics(records: StepRecord[]): Promise<void>;
  /** Adds records to metrics.jsonl. */
  addMetrics(records: StepRecord[]): void;
  /** Writes a JSON file. */
  writeJson(name: string, data: unknown): Promise<void>;
  /** Writes metrics.csv. */
  writeMetricsTable(history: StepRecord[]): Promise<void>;
  /** Saves the SAE; measures of the previous one are removed first. */
  saveSae(sae: Sae): Promise<void>;
}

const CONFIG = "config.json";
const METRICS = "metrics.jsonl";
const OF_ONE_SAE = ["metrics.csv", "evaluation.json", "report.html"];

/** Files of a run. */
const FILES = [
  ...[CONFIG, METRICS, ...OF_ONE_SAE, ...saeFiles("sae")],
  "checkpoint/checkpoint.safetensors",
];

/**
 * Makes a run's folder, before any work: a folder that cannot be written is reported at once.
 *
 * @param resumed Whether its run continues.
 * @throws {OutputFolderError} The folder holds a run that would be lost, or none that can continue; see
 * {@linkcode openOutputFolder}.
 * @throws {Error} The folder cannot be made or written, or another process works in it.
 */
export async function openRunFolder(
  out: string | undefined,
  { resumed, ...how }: { resumed: boolean } & Omit<OpenOutput, "command" | "goOn" | "keep">,
): Promise<RunFolder> {
  const goOn = ({ command }: FoundRun) => resumed && command === "train";
  const folder = await openOutputFolder(out, { ...how, command: "train", goOn });
  const { path, goesOn } = folder;
  if (resumed && !goesOn) {
    folder[Symbol.dispose]();
    throw new OutputFolderError(
      `there is no run to resume in ${path}: its files are not all of one run`,
    );
  }
  const metrics = join(path, METRICS);
  const checkpoint = join(path, "checkpoint");
  return {
    ...folder,
    get started() {
      return folder.started;
    },
    start: () => folder.start(FILES),
    checkpoint,
    loadCheckpoint: async () =>
      goesOn || folder.started ? await loadCheckpoint(checkpoint) : undefined,
    startMetrics: (records) => Deno.writeTextFile(metrics, formatRecords(records)),
    addMetrics: (records) => {
      Deno.writeTextFileSync(metrics, formatRecords(records), { append: true });
    },
    writeJson: (name, data) =>
      folder.write({ [name]: JSON.stringify(data, plainArrays, 2) + "\n" }),
    writeMetricsTable: (history) => folder.write({ "metrics.csv": metricsTable(history) }),
    async saveSae(sae) {
      await folder.remove((name) => OF_ONE_SAE.includes(name));
      await saveSae(sae, join(path, "sae"));
    },
  };
}

/**
 * The options that a run was started with, as its config.json has them.
 *
 * @throws {OutputFolderError} The folder is not a run's.
 */
export function readRunOptions(path: string): Record<string, unknown> {
  const file = join(path, CONFIG);
  const options = readConfig(file)?.options;
  if (!options || typeof options !== "object") {
    throw new OutputFolderError(`there is no run to resume in ${path}: ${file} names no options`);
  }
  return options as Record<string, unknown>;
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
