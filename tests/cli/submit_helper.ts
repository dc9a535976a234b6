import { main } from "../../cli.ts";
import type { ProgramResult } from "../../cli/io.ts";
import type { Ran } from "./cli_helper.ts";
import { testIo } from "./main_helper.ts";

/** What a scheduler's programs were called with, and what the command did. */
export interface Submission extends Ran {
  calls: string[][];
}

/** How Slurm's programs answer; undefined: there are none. */
export type Answers = (call: string[]) => Partial<ProgramResult> | undefined;

/** A cluster that gives jobs the numbers 1, 2, …, and has no job in its queue. */
export function numbering(): Answers {
  let jobs = 0;
  return ([program]) => ({ stdout: program === "sbatch" ? `${++jobs}\n` : "" });
}

/** Runs the command line where Slurm's programs answer so. */
export async function runWithSlurm(
  args: string[],
  answers: Answers = numbering(),
): Promise<Submission> {
  const calls: string[][] = [];
  const { io, written } = testIo({}, {
    run(program, args) {
      const call = [program, ...args];
      calls.push(call);
      const answer = answers(call);
      return Promise.resolve(answer && { code: 0, stdout: "", stderr: "", ...answer });
    },
    self: () => ["deno", "run", "-A", "cli.ts"],
  });
  const code = await main(args, io);
  return { code, ...written, calls };
}

/** Runs a script of a shell; gives its exit code and the bytes that it printed, as text. */
export async function runShell(
  shell: string,
  script: string,
  env: Record<string, string>,
): Promise<Ran> {
  const options: Deno.CommandOptions = { args: ["-c", script], env, stdin: "null" };
  const { code, stdout, stderr } = await new Deno.Command(shell, options).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
