import { main } from "../../cli.ts";
import { type Io, processIo } from "../../cli/io.ts";
import type { Ran } from "./cli_helper.ts";

/** What a command has of its process in tests, and what it wrote. */
export interface TestIo {
  io: Io;
  /** What it wrote so far. */
  written: { stdout: string; stderr: string };
  /** Sends SIGINT (130) or SIGTERM (143). */
  interrupt(exitCode: number): void;
}

/** An {@linkcode Io} of this process that writes to texts, has its own variables, and is told to end. */
export function testIo(env: Record<string, string> = {}, own: Partial<Io> = {}): TestIo {
  const written = { stdout: "", stderr: "" };
  const listeners = new Set<(exitCode: number) => void>();
  const io: Io = {
    ...processIo(),
    print: (line) => void (written.stdout += `${line}\n`),
    printError: (line) => void (written.stderr += `${line}\n`),
    terminal: undefined,
    colour: false,
    workers: 0,
    backoff: 1,
    env: (name) => env[name] ?? Deno.env.get(name),
    onInterrupt(call) {
      listeners.add(call);
      return { [Symbol.dispose]: () => void listeners.delete(call) };
    },
    exit(exitCode) {
      throw new Error(`exit at once with ${exitCode}`);
    },
    ...own,
  };
  return { io, written, interrupt: (code) => listeners.forEach((call) => call(code)) };
}

/** Runs the command line in this process. Paths are relative to the folder that the tests run in. */
export async function runMain(args: string[], env: Record<string, string> = {}): Promise<Ran> {
  const { io, written } = testIo(env);
  const code = await main(args, io);
  return { code, ...written };
}
