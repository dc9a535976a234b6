import { join } from "@std/path";
import { partText } from "../lib/files/part.ts";
import { lastLineOf, type PartState, partStates } from "../lib/files/part_states.ts";
import type { Command } from "./command.ts";
import { JOB_FILES, JOBS_FOLDER, jobsOf, lastLog, readSubmitted } from "../lib/jobs/jobs.ts";
import { UsageError } from "./io.ts";
import { checkOptions, helpOf, type Options, shared } from "./options.ts";
import { slurmStates } from "./slurm_queue.ts";

const OPTIONS: Options = [["Output", [shared("json")]]];

const HELP = helpOf(
  `Says how far the parts of a run are, with the last lines of their logs.

Usage
  saewing status FOLDER`,
  OPTIONS,
  `It reads the output folder only, whatever started the parts; where Slurm is there, it asks for the
states of the jobs that \`saewing submit\` handed over.

waiting: nothing works on it. running: a process does. failed: its process died or ended with an error;
where Slurm queues it again, it goes on. done: whole, and never computed again.

Examples
  saewing status runs/sweep
  saewing status runs/sweep --json`,
);

/** `saewing status`. */
export const status: Command = {
  summary: "how far the parts of a run are",
  help: HELP,
  options: OPTIONS,
  async run(options, { io, output }) {
    checkOptions(options, OPTIONS, 1);
    const [out] = options.positional;
    if (out === undefined) throw new UsageError("expected the output folder of a run");
    const submitted = readSubmitted(out);
    const parts = await partStates(out, { count: submitted?.parts });
    if (parts.length === 0 && !submitted) {
      throw new Error(
        `${out} has no parts, and nothing was submitted from it: expected the output folder of ` +
          `\`saewing submit\`, or of a command with --part`,
      );
    }
    const jobs = jobsOf(submitted);
    const slurm = jobs.length > 0 ? await slurmStates(jobs, io) : new Map<string, string>();
    const rows = parts.map((each) => ({
      ...each,
      part: partText(each.part),
      slurm: submitted && slurm.get(`${submitted.run}_${each.part.index}`),
    }));
    const last = submitted && {
      job: jobs[jobs.length - 1],
      slurm: slurm.get(jobs[jobs.length - 1]),
      lastLine: await lastLineOf(lastLog(out, submitted.parts)),
      done: await Deno.stat(join(out, JOBS_FOLDER, JOB_FILES.done)).then(() => true, () => false),
    };
    const counts = countStates(parts);
    if (parts.length > 0) {
      const number = parts.length === 1 ? "1 part" : `${parts.length} parts`;
      output.say(`${out}, ${number}: ${describeCounts(counts)}`);
      output.say(formatColumns(rows.map((row) => [
        row.part,
        row.state,
        row.state === "running" ? describeHost(row) : "",
        row.slurm ?? "",
        row.lastLine ?? "",
      ])));
    }
    if (last) {
      const what = submitted?.parts === undefined ? submitted?.command[0] : "merge";
      const cells = [what!, last.done ? "done" : "not done", last.slurm ?? "", last.lastLine ?? ""];
      output.say(formatColumns([cells]));
    }
    output.result({ folder: out, ...counts, parts: rows, last });
  },
};

const STATES = ["waiting", "running", "failed", "done"] as const;

function countStates(parts: readonly PartState[]): Record<PartState["state"], number> {
  const count = (wanted: string) => parts.filter(({ state }) => state === wanted).length;
  return Object.fromEntries(STATES.map((state) => [state, count(state)])) as Record<
    PartState["state"],
    number
  >;
}

function describeCounts(counts: Record<PartState["state"], number>): string {
  return STATES.map((state) => `${counts[state]} ${state}`).join(", ");
}

function describeHost({ host, lastBeat }: Pick<PartState, "host" | "lastBeat">): string {
  return [host, lastBeat && `at ${lastBeat.toTimeString().slice(0, 8)}`].filter(Boolean).join(" ");
}

/** Lines of aligned columns; those that are empty in all lines are left out. */
function formatColumns(rows: string[][]): string {
  const used = rows[0].map((_, i) => i).filter((i) => rows.some((row) => row[i] !== ""));
  const widths = used.map((i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    "  " + used.map((i, at) => row[i].padEnd(widths[at])).join("  ").trimEnd()
  )
    .join("\n");
}
