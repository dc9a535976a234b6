import { join } from "@std/path";
import { PARTS_FOLDER } from "../files/part.ts";
import { JOB_FILES, JOBS_FOLDER, lastLog, type Work } from "./jobs.ts";
import { quoteShell, shellLine } from "./shell_text.ts";

/** A job for Slurm: its script, and what only the command line of `sbatch` can say safely. */
export interface SlurmJob {
  /** The script's text. */
  script: string;
  /** Arguments of `sbatch` before the script. */
  args: string[];
}

/** Jobs of a run. */
export interface SlurmJobs {
  /** Runs all parts, or the whole. */
  run: SlurmJob;
  /** Merges the parts, if there are any. */
  merge?: SlurmJob;
}

// Slurm warns before the time limit: time for a checkpoint of a large SAE on a slow disk.
const WARN_SECONDS = 120;
// Slurm looks at limits every 30 s. A limit below the warning's time warns at once: that is no reason to stop.
const LEAST_SECONDS = 60;

/**
 * Scripts that run a command by Slurm: an array with a task per part, and a job that merges. Each can be
 * stopped at any point: `--requeue` starts it again after a failed node, and before its time limit it ends in
 * order and queues itself again.
 *
 * @param work The command.
 * @param lines The user's own options of `sbatch`, which override ours.
 */
export function slurmScripts(work: Work, lines: readonly string[]): SlurmJobs {
  const { command, args, out, parts } = work;
  const name = jobName(command, out);
  const done = `date > ${quoteShell(join(out, JOBS_FOLDER, JOB_FILES.done))}`;
  if (parts === undefined) {
    return {
      run: job(work, lines, { name, log: lastLog(literal(out), parts), work: whole(work), done }),
    };
  }
  const part = `"--part=$SLURM_ARRAY_TASK_ID/${parts}"`;
  return {
    run: job(work, lines, {
      name,
      own: [`--array=1-${parts}`],
      // %a is the task's number.
      log: join(literal(out), PARTS_FOLDER, `%a-of-${parts}.log`),
      work: `saewing ${shellLine([command, ...args])} ${part}`,
      title: `part $SLURM_ARRAY_TASK_ID/${parts}`,
    }),
    merge: job(work, lines, {
      name: `${name}-merge`,
      // Without a part it can never run: it is cancelled, and all that waits for it.
      own: ["--kill-on-invalid-dep=yes"],
      log: lastLog(literal(out), parts),
      work: `saewing ${shellLine(["merge", out])}`,
      title: "merge",
      done,
    }),
  };
}

/** A run without parts. `train` has a command of its own to go on from a checkpoint; others are called again. */
function whole({ command, args, out }: Work): string {
  const call = `saewing ${shellLine([command, ...args])}`;
  if (command !== "train") return call;
  const checkpoint = quoteShell(join(out, "checkpoint/checkpoint.safetensors"));
  return `if [ -e ${checkpoint} ]; then saewing ${shellLine(["train", "--resume", out])}\n` +
    `else ${call}; fi`;
}

function job(
  { saewing, folder, setup }: Work,
  lines: readonly string[],
  { name, own = [], log, work, title = "run", done }: {
    name: string;
    own?: string[];
    log: string;
    work: string;
    title?: string;
    done?: string;
  },
): SlurmJob {
  const directives = [
    `--job-name=${name}`,
    ...own,
    "--requeue",
    "--open-mode=append",
    `--signal=B:USR1@${WARN_SECONDS}`,
    ...lines,
  ];
  const script = `#!/bin/bash
${directives.map((line) => `#SBATCH ${line}`).join("\n")}
# Written by \`saewing submit\`.

cd -- ${quoteShell(folder)} || exit 1
${setup.map((line) => `${line}\n`).join("")}
saewing() {
  exec ${saewing} "$@"
}
work() {
${work}
}
echo "$(date '+%F %T') ${title}, job $SLURM_JOB_ID on \${SLURMD_NODENAME:-$HOSTNAME}, start $((\${SLURM_RESTART_COUNT:-0} + 1))"

# Slurm sends SIGTERM to all processes of a job itself. Before the time limit it warns this script only, which
# then ends the work in order and queues the job again.
again=
trap '[ "$SECONDS" -lt ${LEAST_SECONDS} ] || { again=yes; kill -TERM "$pid"; }' USR1
work &
pid=$!
trap : TERM INT
while true; do
  wait "$pid"
  code=$?
  kill -0 "$pid" 2> /dev/null || break
done
# A signal ends \`wait\` early, with a code of its own: the command's is still there then.
wait "$pid" 2> /dev/null
last=$?
[ "$last" = 127 ] || code=$last
if [ "$again" = yes ] && [ "$code" = 143 ]; then
  echo "the time limit is near: queued again"
  # The number of an array's last task is that of the whole array.
  scontrol requeue "\${SLURM_ARRAY_JOB_ID:+\${SLURM_ARRAY_JOB_ID}_}\${SLURM_ARRAY_TASK_ID:-$SLURM_JOB_ID}"
fi
${done === undefined ? "" : `[ "$code" != 0 ] || ${done}\n`}exit "$code"
`;
  return { script, args: [`--output=${log}`] };
}

/** A path in which Slurm replaces nothing; it cannot hold a backslash, which switches replacements off. */
function literal(path: string): string {
  return path.replaceAll("%", "%%");
}

/** "harvest-gpt2": letters that `squeue` shows and a directive can hold. */
export function jobName(command: string, out: string): string {
  const last = out.replaceAll("\\", "/").split("/").findLast((each) => /\w/.test(each)) ?? "";
  const plain = last.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40);
  return plain === "" ? command : `${command}-${plain}`;
}
