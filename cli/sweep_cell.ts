import { stringify } from "@std/csv";
import { join } from "@std/path";
import { replaceText } from "../lib/formats/replace_file.ts";
import { parseCheckedJson } from "../lib/language_model/checked_json.ts";
import { readRegularText } from "../lib/language_model/regular_file.ts";
import { recordColumns } from "../lib/training/record_columns.ts";
import {
  type CrossEntropyEvaluation,
  type Evaluation,
  loadCheckpoint,
  type NormLimit,
  recordedNormLimit,
  type Sae,
  saveSae,
  type StepRecord,
  type TrainingWarning,
} from "../mod.ts";
import { UsageError } from "./command.ts";
import { saeFiles } from "./run_files.ts";

/** What a cell's folder says of it. */
export interface CellState {
  /** What it was trained and measured with, by name. */
  settings: Record<string, unknown>;
  /** What training ended with. */
  trained: { steps: number; samples: number; loss: number; warnings?: string[] };
  /** What was measured; absent until it is. */
  measured?: {
    evaluation: Omit<Evaluation, "density" | "l0Histogram"> & { l0Histogram: number[] };
    crossEntropy: CrossEntropyEvaluation;
  };
}

/** The file that says that a cell is done. It is written after everything that it speaks of. */
const MARKER = "cell.json";

/** The folder, in a cell's, of the checkpoint that it has while it is trained. */
export const CHECKPOINT = "checkpoint";

/**
 * What was already done for a cell; undefined where nothing was, or not to its end.
 *
 * @param settings What the cell should have been trained with.
 * @throws {UsageError} It was trained with something else.
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
      throw new UsageError(
        `${folder} holds an SAE whose ${name} is ${before}, this sweep's is ${now}: ` +
          `take another --out, or --overwrite`,
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
    throw new UsageError(`${file} is not what \`saewing sweep\` writes: ${problem}`);
  }
  return state as CellState;
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

/** What a cell's state lacks. */
function problemOf(state: unknown): string | undefined {
  if (!isRecord(state)) return "it is not a JSON object";
  if (!isRecord(state.settings)) return "settings is not an object";
  for (const [path, names] of Object.entries(NUMBERS)) {
    const [part, inner] = path.split(".");
    if (part === "measured" && state.measured === undefined) continue;
    const outer = state[part];
    const found = inner === undefined || !isRecord(outer) ? outer : outer[inner];
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

/** What a cell was trained without; those from before there was a limit were trained on all. */
function limitOf({ settings }: CellState): NormLimit | "none" {
  const { normLimit } = settings;
  return recordedNormLimit({ architecture: "topk", metadata: { normLimit } }) ?? "none";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Which activations the cells of a sweep that goes on were trained without; undefined where none was
 * begun.
 *
 * @throws {UsageError | Error} A cell's file cannot be read or is malformed.
 */
export async function recordedCellLimit(
  folders: readonly string[],
): Promise<NormLimit | "none" | undefined> {
  for (const folder of folders) {
    const state = readMarker(join(folder, MARKER));
    if (state) return limitOf(state);
    const checkpoint = await loadCheckpoint(join(folder, CHECKPOINT));
    if (checkpoint) return recordedNormLimit(checkpoint.sae) ?? "none";
  }
  return undefined;
}

/** Files of a cell, relative to the sweep's folder. */
export function cellFiles(name: string): string[] {
  const others = [MARKER, "metrics.csv", `${CHECKPOINT}/checkpoint.safetensors`];
  return [...saeFiles(`${name}/sae`), ...others.map((file) => `${name}/${file}`)];
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Writes a trained SAE, the records of its steps, then the marker, which ends its checkpoint. */
export async function writeTrained(
  folder: string,
  settings: Record<string, unknown>,
  { sae, history }: { sae: Sae; history: StepRecord[] },
): Promise<CellState> {
  await Deno.mkdir(folder, { recursive: true });
  await saveSae(sae, join(folder, "sae"));
  await replaceText(
    join(folder, "metrics.csv"),
    stringify(history as unknown as Record<string, unknown>[], {
      columns: recordColumns(history),
    }),
  );
  const { step, samples, loss } = history.at(-1)!;
  const warnings = (sae.metadata.warnings as TrainingWarning[] | undefined)?.map(({ kind }) =>
    kind
  );
  const state = { settings, trained: { steps: step, samples, loss, warnings } };
  await writeCell(folder, state);
  await removeIfThere(join(folder, CHECKPOINT));
  return state;
}

/** Writes the marker. */
export async function writeCell(folder: string, state: CellState): Promise<void> {
  await replaceText(join(folder, MARKER), JSON.stringify(state, null, 2) + "\n");
}
