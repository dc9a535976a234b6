import { join, resolve } from "@std/path";
import { PARTS_FOLDER } from "../lib/files/part.ts";
import { replaceText } from "../lib/files/replace_file.ts";
import type { Session } from "./command.ts";
import { type Io, UsageError } from "./io.ts";
import {
  JOB_FILES,
  JOBS_FOLDER,
  jobsOf,
  readSubmitted,
  type Submitted,
  type Work,
} from "../lib/jobs/jobs.ts";
import type { Arguments } from "./options.ts";
import { shellLine } from "../lib/jobs/shell_text.ts";
import { isQueued, sbatch } from "./slurm_queue.ts";
import { type SlurmJob, slurmScripts } from "../lib/jobs/slurm_scripts.ts";

/**
 * Writes a command's scripts and submits them; with `--dry-run` prints both.
 *
 * @throws {UsageError} Options do not fit, or jobs of the folder are queued still.
 */
export async function submitToSlurm(
  work: Work,
  options: Arguments,
  { output, io }: Session,
): Promise<void> {
  const lines = options.texts("sbatch");
  checkLines(lines);
  const out = resolve(work.out);
  if (out.includes("\\")) {
    throw new UsageError(
      `--out is ${work.out}: Slurm's logs cannot lie in a path with a backslash`,
    );
  }
  const jobs = slurmScripts({ ...work, out }, lines);
  const place = (name: string) => join(out, JOBS_FOLDER, name);
  const after = await dependencies(options.texts("after"), io, options.flag("dry-run"));
  const argsOf = (name: string, job: SlurmJob, ids: string[]) => [
    "--parsable",
    ...(ids.length > 0 ? [`--dependency=afterok:${ids.join(":")}`] : []),
    ...job.args,
    place(name),
  ];
  if (options.flag("dry-run")) {
    const show = (name: string, job: SlurmJob, ids: string[]) =>
      io.print(
        `# ${place(name)}\n${job.script}\n` +
          `# handed over by\n${shellLine(["sbatch", ...argsOf(name, job, ids)])}\n`,
      );
    show(JOB_FILES.run, jobs.run, after);
    // The number that the first prints.
    if (jobs.merge) show(JOB_FILES.merge, jobs.merge, ["RUN"]);
    return;
  }
  await refuseActive(out, io);
  await Deno.mkdir(join(out, JOBS_FOLDER), { recursive: true });
  if (work.parts !== undefined) await Deno.mkdir(join(out, PARTS_FOLDER), { recursive: true });
  await Deno.remove(place(JOB_FILES.done)).catch(ignoreMissing);
  await Deno.remove(place(JOB_FILES.submitted)).catch(ignoreMissing);
  const submit = async (name: string, job: SlurmJob, ids: string[]) => {
    await replaceText(place(name), job.script);
    return await sbatch(argsOf(name, job, ids), io);
  };
  const run = await submit(JOB_FILES.run, jobs.run, after);
  let merge: string | undefined;
  try {
    merge = jobs.merge && await submit(JOB_FILES.merge, jobs.merge, [run]);
    const { command, args, parts } = work;
    const submitted: Submitted = {
      ...{ format: "saewing jobs", version: 1, command: [command, ...args] },
      ...{ parts, run, merge },
    };
    const text = JSON.stringify(submitted, undefined, 2) + "\n";
    await replaceText(place(JOB_FILES.submitted), text);
  } catch (error) {
    // Half a run would not be merged, and nothing would say that it is there.
    await io.run("scancel", [run, ...(merge ? [merge] : [])]);
    throw error;
  }
  output.say(
    work.parts === undefined
      ? `${work.command}: job ${run}`
      : `${work.command} in ${work.parts} parts: job ${run}; merging them: job ${merge}`,
  );
  output.say(`\`saewing status ${work.out}\` says how far it is`);
  output.result({ engine: "slurm", folder: work.out, run, merge, last: merge ?? run });
}

/** @throws {UsageError} A line is none of options, or has one that is set here. */
function checkLines(lines: string[]): void {
  for (const line of lines) {
    if (!/^-/.test(line) || /\p{Cc}/u.test(line)) {
      throw new UsageError(
        `--sbatch is ${JSON.stringify(line)}, expected options of sbatch on one line, such as ` +
          `"--mem=8G --time=4:00:00"`,
      );
    }
    const own = /(^|\s)(--(array|dependency|output|wrap|parsable)|-[ado])(?=$|[\s=\d])/.exec(line);
    if (own) {
      throw new UsageError(
        `--sbatch has ${own[2]}, which submit sets itself` +
          (own[2] === "--dependency" || own[2] === "-d" ? ": give --after" : ""),
      );
    }
  }
}

/** Numbers of the jobs that come first: those given, and the last ones of folders that are not done. */
async function dependencies(after: string[], io: Io, dryRun: boolean): Promise<string[]> {
  const ids = [];
  for (const each of after) {
    if (/^\d+(_\d+)?$/.test(each)) {
      ids.push(each);
      continue;
    }
    const submitted = readSubmitted(each);
    if (!submitted && dryRun) {
      ids.push(`LAST_JOB_OF_${each}`);
      continue;
    }
    if (!submitted) {
      throw new UsageError(
        `--after is ${each}, from which nothing was submitted to Slurm: expected the output folder ` +
          `of an earlier submit, or a number of a job`,
      );
    }
    const isDone = await Deno.stat(join(each, JOBS_FOLDER, JOB_FILES.done))
      .then(() => true, () => false);
    if (isDone) continue;
    const last = submitted.merge ?? submitted.run;
    if (await isQueued(last, io) === false) {
      throw new UsageError(
        `--after is ${each}, which is not done, and its job ${last} is not queued any more: ` +
          `\`saewing status ${each}\` says why`,
      );
    }
    ids.push(last);
  }
  return ids;
}

/** @throws {UsageError} Jobs of the folder are still queued or running. */
async function refuseActive(out: string, io: Io): Promise<void> {
  const active = [];
  for (const id of jobsOf(readSubmitted(out))) if (await isQueued(id, io)) active.push(id);
  if (active.length === 0) return;
  throw new UsageError(
    `jobs of ${out} are queued or running (${active.join(", ")}): wait for them, or ` +
      `\`scancel ${active.join(" ")}\` first`,
  );
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
