import { join } from "@std/path";
import { parseCheckedJson } from "../language_model/checked_json.ts";
import { MOST_PARTS } from "../files/part.ts";
import { isWhole } from "../whole_number.ts";
import { readRegularText } from "../language_model/regular_file.ts";

/** A command that a scheduler runs, as `saewing submit` hands it over. */
export interface Work {
  /** The command: "harvest". */
  command: string;
  /** Its arguments, without `--part`. */
  args: string[];
  /** Its output folder, as given. */
  out: string;
  /** Number of parts; undefined where it runs as one job. */
  parts: number | undefined;
  /** How `saewing` is called: the beginning of a line of a shell. */
  saewing: string;
  /** The folder that it is called in; paths in `args` are relative to it. */
  folder: string;
  /** The user's own lines, which come before the command. */
  setup: string[];
}

/** Where the scripts of a run are, in its output folder. */
export const JOBS_FOLDER = "jobs";

/** Files in {@linkcode JOBS_FOLDER}. */
export const JOB_FILES = {
  /** Runs a part, or all where there are none. */
  run: "run.sh",
  /** Merges the parts. */
  merge: "merge.sh",
  /** For Kubernetes. */
  manifest: "kubernetes.json",
  /** What was handed over. */
  submitted: "submitted.json",
  /** Written when all is done, by the last job. */
  done: "done",
} as const;

/** The log of a run's last job: that of merging, or of the run itself where it has no parts. */
export function lastLog(out: string, parts: number | undefined): string {
  return join(out, JOBS_FOLDER, parts === undefined ? "run.log" : "merge.log");
}

/** What was handed to Slurm: `jobs/submitted.json`. */
export interface Submitted {
  format: "saewing jobs";
  version: 1;
  /** The command with its arguments. */
  command: string[];
  /** Number of parts, if it has parts. */
  parts?: number;
  /** Slurm's number of the job that runs it, an array where there are parts. */
  run: string;
  /** Slurm's number of the job that merges. */
  merge?: string;
}

/**
 * What was handed to Slurm from an output folder; undefined where nothing was.
 *
 * @throws {Error} The file is damaged.
 */
export function readSubmitted(out: string): Submitted | undefined {
  const path = join(out, JOBS_FOLDER, JOB_FILES.submitted);
  let text: string;
  try {
    text = readRegularText(path);
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
  const found = parseCheckedJson(path, text) as Partial<Submitted> | null;
  const isNumber = (id: unknown) => typeof id === "string" && /^\d+$/.test(id);
  if (
    found?.format === "saewing jobs" && found.version === 1 && isNumber(found.run) &&
    (found.merge === undefined || isNumber(found.merge)) &&
    (found.parts === undefined || isWhole(found.parts, 1, MOST_PARTS)) &&
    Array.isArray(found.command) && found.command.every((word) => typeof word === "string")
  ) return found as Submitted;
  throw new Error(
    `${path} does not say which jobs were submitted: remove it (\`squeue\` lists jobs that are queued)`,
  );
}

/** Numbers of the jobs that were submitted, in the order in which they run. */
export function jobsOf(submitted: Submitted | undefined): string[] {
  if (!submitted) return [];
  return submitted.merge === undefined ? [submitted.run] : [submitted.run, submitted.merge];
}
