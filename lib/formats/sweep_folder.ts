import { join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { readRegularText } from "../language_model/regular_file.ts";
import { type NormLimit, recordedNormLimit } from "../sae/norm_limit.ts";
import {
  type CellState,
  SweepMismatchError,
  type SweepStore,
  trainedState,
} from "../sweep/sweep_store.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint_folder.ts";
import { loadSae } from "./load_sae.ts";
import { metricsTable } from "./metrics_table.ts";
import { replaceText } from "../files/replace_file.ts";
import { saveSae } from "./sae_folder.ts";

/** The file that marks a cell as done. It is written last. */
const MARKER = "cell.json";
/** The folder, in a cell's, of the checkpoint that it has while it is trained. */
const CHECKPOINT = "checkpoint";

/**
 * A sweep's SAEs on disk: a folder for each with `sae/`, `metrics.csv` and `cell.json`, and `checkpoint/`
 * while it is trained. After a kill each SAE is complete, has its checkpoint, or was not started.
 *
 * @param path The sweep's folder; made where missing.
 * @param settings What all SAEs are trained and measured with beside their own options: noted with each,
 * and compared when the sweep is continued.
 */
export function sweepFolder(path: string, settings: Record<string, unknown> = {}): SweepStore {
  return {
    read: async (cell) => await readCell(join(path, cell.name), { ...cell.options, ...settings }),
    loadCheckpoint: ({ name }) => loadCheckpoint(join(path, name, CHECKPOINT)),
    saveCheckpoint: ({ name }, checkpoint) =>
      saveCheckpoint(checkpoint, join(path, name, CHECKPOINT)),
    async saveTrained({ name, options }, trained) {
      const folder = join(path, name);
      const { history } = trained;
      await Deno.mkdir(folder, { recursive: true });
      await saveSae(trained.sae, join(folder, "sae"));
      await replaceText(join(folder, "metrics.csv"), metricsTable(history));
      const state = { settings: { ...options, ...settings }, trained: trainedState(trained) };
      await writeCell(folder, state);
      await removeIfThere(join(folder, CHECKPOINT));
      return state;
    },
    saveMeasured: ({ name }, state) => writeCell(join(path, name), state),
    loadSae: ({ name }) => loadSae(join(path, name, "sae")),
  };
}

/**
 * The norm limit of the SAEs of a continued sweep; undefined where none was started.
 *
 * @throws {Error} A file cannot be read or is malformed.
 */
export async function recordedSweepLimit(
  path: string,
  names: readonly string[],
): Promise<NormLimit | "none" | undefined> {
  for (const name of names) {
    const state = readMarker(join(path, name, MARKER));
    if (state) return limitOf(state);
    const checkpoint = await loadCheckpoint(join(path, name, CHECKPOINT));
    if (checkpoint) return recordedNormLimit(checkpoint.sae) ?? "none";
  }
  return undefined;
}

/** The norm limit of an SAE; SAEs from before there was a limit were trained on all activations. */
function limitOf({ settings }: CellState): NormLimit | "none" {
  const { normLimit } = settings;
  return recordedNormLimit({ architecture: "topk", metadata: { normLimit } }) ?? "none";
}

/**
 * The finished results of an SAE; undefined where it is not finished.
 *
 * @param folder The SAE's.
 * @param settings What it should have been trained with.
 * @throws {SweepMismatchError} It was trained with something else, or its file is malformed.
 * @throws {Error} Its file cannot be read.
 */
export function readCell(
  folder: string,
  settings: Record<string, unknown>,
): CellState | undefined {
  const state = readMarker(join(folder, MARKER));
  if (!state) return undefined;
  const found = state.settings;
  for (const name of new Set([...Object.keys(settings), ...Object.keys(found)])) {
    const [before, now] = [found, settings].map((all) => JSON.stringify(all[name]) ?? "not given");
    if (before !== now) {
      throw new SweepMismatchError(
        `${folder} holds an SAE whose ${name} is ${before}, this sweep's is ${now}`,
      );
    }
  }
  return state;
}

function readMarker(file: string): CellState | undefined {
  let state: unknown;
  try {
    state = parseCheckedJson(file, readRegularText(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${file} cannot be read: ${(error as Error).message}`);
  }
  const problem = problemOf(state);
  if (problem !== undefined) {
    throw new SweepMismatchError(`${file} is not what a sweep writes: ${problem}`);
  }
  return state as CellState;
}

async function writeCell(folder: string, state: CellState): Promise<void> {
  const arrays = (_: string, value: unknown) =>
    ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
  await replaceText(join(folder, MARKER), JSON.stringify(state, arrays, 2) + "\n");
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Numbers of a cell, by the part that has them. What was not finite is null in JSON. */
const NUMBERS: Record<string, string[]> = {
  trained: ["steps", "samples", "loss"],
  "measured.evaluation": ["samples", "mse", "nmse", "explainedVariance", "l0", "deadLatents"],
  "measured.crossEntropy": [
    ...["tokens", "clean", "spliced", "zeroAblated", "meanAblated"],
    ...["degradation", "recoveredFromZero", "recoveredFromMean"],
  ],
};

/** Numbers of a cell whose evaluation left massive activations out. */
const OF_ALL = ["samples", "mse", "nmse", "explainedVariance", "l0"];

/** What is missing in a cell's state. */
function problemOf(state: unknown): string | undefined {
  if (!isRecord(state)) return "it is not a JSON object";
  if (!isRecord(state.settings)) return "settings is not an object";
  for (const [path, names] of Object.entries(NUMBERS)) {
    const [part, inner] = path.split(".");
    if (part === "measured" && state.measured === undefined) continue;
    const outer = state[part];
    const found = inner === undefined || !isRecord(outer) ? outer : outer[inner];
    // Said where it was not measured.
    if (inner === "crossEntropy" && found === null) continue;
    if (!isRecord(found)) return `${path} is not an object`;
    for (const name of names) {
      if (typeof found[name] !== "number" && found[name] !== null) {
        return `${path}.${name} is ${JSON.stringify(found[name]) ?? "missing"}, expected a number`;
      }
    }
    if (inner === "evaluation" && found.all !== undefined) {
      const { all } = found;
      const isWhole = isRecord(all) && typeof found.leftOut === "number" &&
        OF_ALL.every((name) => typeof all[name] === "number" || all[name] === null);
      if (!isWhole) return `${path}.all does not hold the measures of all activations`;
    }
    if (inner === "evaluation" && !Array.isArray(found.l0Histogram)) {
      return `${path}.l0Histogram is not a list`;
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
