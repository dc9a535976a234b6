import { stringify } from "@std/csv";
import { join } from "@std/path";
import type { StepRecord } from "../mod.ts";

/** A folder that a run writes its results to. */
export interface RunFolder {
  /** Its path. */
  path: string;
  /** Adds records to metrics.jsonl. */
  addMetrics(records: StepRecord[]): void;
  /** Writes a JSON file. */
  writeJson(name: string, data: unknown): Promise<void>;
  /** Writes a text file. */
  writeText(name: string, text: string): Promise<void>;
  /** Writes metrics.csv. */
  writeMetricsTable(history: StepRecord[]): Promise<void>;
}

/**
 * Makes a run's folder and starts its metrics.jsonl, before any work: a folder that cannot be written
 * is told at once.
 *
 * @throws {Error} The folder cannot be made or written.
 */
export async function openRunFolder(path: string): Promise<RunFolder> {
  const metrics = join(path, "metrics.jsonl");
  try {
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(metrics, "");
  } catch (error) {
    throw new Error(`the output folder ${path} cannot be written: ${(error as Error).message}`);
  }
  const writeText = (name: string, text: string) => Deno.writeTextFile(join(path, name), text);
  return {
    path,
    addMetrics(records) {
      const lines = records.map((record) => JSON.stringify(record) + "\n").join("");
      Deno.writeTextFileSync(metrics, lines, { append: true });
    },
    writeJson: (name, data) => writeText(name, JSON.stringify(data, plainArrays, 2) + "\n"),
    writeText,
    writeMetricsTable: (history) =>
      writeText(
        "metrics.csv",
        history.length === 0 ? "" : stringify(history as unknown as Record<string, unknown>[], {
          columns: Object.keys(history[0]),
        }),
      ),
  };
}

function plainArrays(_key: string, value: unknown): unknown {
  return ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value;
}
