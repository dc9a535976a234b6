import type { Output } from "./output.ts";

/** A command of the command line. */
export interface Command {
  /** One line for the list of commands. */
  summary: string;
  /** The whole help text, examples included. */
  help: string;
  /** Runs the command; gives the exit code. */
  run(args: string[]): Promise<number>;
}

/** Exit codes: what a script that calls `saewing` can rely on. */
export const EXIT = {
  /** All went well. */
  ok: 0,
  /** The work failed; the message says why. */
  failed: 1,
  /** The command was called with arguments that do not fit. */
  usage: 2,
  /** Ctrl-C: what was done so far is saved. */
  interrupted: 130,
  /** SIGTERM: the same. */
  terminated: 143,
} as const;

/** Arguments that do not fit: ends with exit code 2 and a hint at the help. */
export class UsageError extends Error {
  /** The name shown in front of the message. */
  override name: string = "UsageError";
}

/** What ends a command early, until it is disposed of. */
export interface Interrupt extends Disposable {
  /** Aborted by the first SIGINT (Ctrl-C) or SIGTERM, which batch systems send before they kill. */
  signal: AbortSignal;
  /** The exit code of the one that came: 130 for SIGINT, 143 for SIGTERM. */
  exitCode(): number;
}

/** What work that was ended leaves. */
export interface Left {
  /** For people: what is kept, and how to go on. */
  text: string;
  /** For machines. */
  data?: Record<string, unknown>;
}

/**
 * Does work that SIGINT and SIGTERM end in order, and gives the command's exit code.
 *
 * @param work It throws the signal's reason where it ends early; what it keeps then must be whole.
 * @param left What it leaves then.
 */
export async function endInOrder(
  output: Output,
  work: (signal: AbortSignal) => Promise<void>,
  left: () => Left,
): Promise<number> {
  using interrupt = listenToInterrupts();
  const { signal } = interrupt;
  try {
    await work(signal);
    return EXIT.ok;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    const { text, data } = left();
    output.say(`interrupted: ${text}`);
    output.result({ ...data, interrupted: true });
    return interrupt.exitCode();
  }
}

// Programs that start this one may pass on a Ctrl-C that the terminal has sent to all of them already.
const SAME_MS = 300;

/**
 * Listens to SIGINT and SIGTERM: the first lets the command end in order, after the current step and with what
 * was done so far saved; a second one ends the process at once.
 */
export function listenToInterrupts(): Interrupt {
  const controller = new AbortController();
  let code: number = EXIT.interrupted;
  let since = 0;
  const handler = (exitCode: number) => () => {
    if (!controller.signal.aborted) {
      code = exitCode;
      since = performance.now();
      console.error("\nending in order; once more ends at once");
      controller.abort();
    } else if (exitCode !== code || performance.now() - since > SAME_MS) {
      Deno.exit(exitCode);
    }
  };
  const handlers: [Deno.Signal, () => void][] = [["SIGINT", handler(EXIT.interrupted)]];
  // Windows has no SIGTERM to listen to.
  if (Deno.build.os !== "windows") handlers.push(["SIGTERM", handler(EXIT.terminated)]);
  for (const [name, listener] of handlers) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    exitCode: () => code,
    [Symbol.dispose]() {
      for (const [name, listener] of handlers) Deno.removeSignalListener(name, listener);
    },
  };
}
