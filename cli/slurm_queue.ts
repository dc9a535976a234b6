import type { Io } from "./io.ts";

/**
 * Submits a script.
 *
 * @param args Arguments of `sbatch`, `--parsable` among them.
 * @returns The job's number.
 * @throws {Error} There is no `sbatch`, or it refused.
 */
export async function sbatch(args: string[], io: Io): Promise<string> {
  const ran = await io.run("sbatch", args);
  if (!ran) {
    throw new Error(
      "there is no sbatch here: submit on a machine of the cluster, or see --dry-run",
    );
  }
  // "12", or "12;cluster" where there are several.
  const id = /^(\d+)(;|$)/.exec(ran.stdout.trim())?.[1];
  if (ran.code === 0 && id !== undefined) return id;
  const said = (ran.stderr.trim() || ran.stdout.trim()).replace(/^sbatch: /gm, "");
  throw new Error(`sbatch ended with ${ran.code}: ${said}`);
}

/**
 * Whether a job is queued or running; undefined where Slurm is not there, or does not answer. A job that it has
 * forgotten is not.
 */
export async function isQueued(id: string, io: Io): Promise<boolean | undefined> {
  const ran = await io.run("squeue", ["--noheader", "--format=%F", `--jobs=${id}`]);
  if (ran === undefined) return undefined;
  if (ran.code !== 0) return /invalid job id/i.test(ran.stderr) ? false : undefined;
  return ran.stdout.trim() !== "";
}

/**
 * States of jobs as Slurm names them, with the reason why one waits: "PENDING (Dependency)". Tasks of an array
 * have keys such as "12_3". What Slurm has forgotten, or where it is not there, is missing.
 */
export async function slurmStates(ids: string[], io: Io): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  const jobs = `--jobs=${ids.join(",")}`;
  // Accounting, where a cluster has it, knows jobs that have ended long ago; the queue knows better what runs.
  const ended = await io.run("sacct", [
    ...["--noheader", "--parsable2", "--allocations", "--array", jobs, "--format=JobID,State"],
  ]);
  const queued = await io.run("squeue", [
    ...["--noheader", "--array", "--states=all", jobs, "--format=%i|%T|%r"],
  ]);
  for (const ran of [ended, queued]) {
    for (const line of ran?.code === 0 ? ran.stdout.split("\n") : []) {
      const [id, state, reason = "None"] = line.trim().split("|");
      if (!/^\d+(_\d+)?$/.test(id) || !state) continue;
      states.set(id, state === "PENDING" && reason !== "None" ? `${state} (${reason})` : state);
    }
  }
  return states;
}
