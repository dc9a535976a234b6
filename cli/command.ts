import { EXIT, type Io } from "./io.ts";
import type { Arguments, Options } from "./options.ts";
import type { Output } from "./output.ts";

/** A command of the command line. */
export interface Command {
  /** One line for the list of commands. */
  summary: string;
  /** The whole help text, examples included. */
  help: string;
  /** Its options. */
  options: Options;
  /** Whether it passes on arguments that are not its own, to another command. */
  passesOn?: boolean;
  /**
   * Runs the command.
   *
   * @param others Arguments to pass on.
   * @throws {UsageError} The arguments do not fit.
   * @throws The signal's reason, where it ended early; what it keeps then must be whole.
   */
  run(options: Arguments, session: Session, others: string[]): Promise<void>;
}

/** What a command works with. */
export interface Session {
  /** Streams, variables and clock of the process. */
  io: Io;
  /** Where results, progress and warnings go. */
  output: Output;
  /** Aborted by the first SIGINT (Ctrl-C) or SIGTERM, which batch systems send before they kill. */
  signal: AbortSignal;
  /** Sets what is kept if the work is interrupted from here on; "nothing was written" until it is called. */
  leaves(left: Left): void;
}

/** What interrupted work leaves. */
export interface Left {
  /** For people: what is kept, and how to continue. */
  text: string;
  /** For machines. */
  data?: Record<string, unknown>;
}

/**
 * Does work that SIGINT and SIGTERM end cleanly, and returns the exit code: 0, or that of the signal.
 * Work that finished before it noticed the signal has that code too.
 *
 * @param work The work; it throws the signal's reason where it ends early.
 */
export async function endInOrder(
  io: Io,
  output: Output,
  work: (session: Session) => Promise<void>,
): Promise<number> {
  using interrupt = listenToInterrupts(io);
  const { signal } = interrupt;
  let left: Left = { text: "nothing was written" };
  try {
    await work({ io, output, signal, leaves: (given) => void (left = given) });
    if (!signal.aborted) return EXIT.ok;
    output.say("interrupted when all was done");
    return interrupt.exitCode();
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    output.say(`interrupted: ${left.text}`);
    output.result({ ...left.data, interrupted: true });
    return interrupt.exitCode();
  }
}

/** What ends a command early, until it is disposed of. */
export interface Interrupt extends Disposable {
  /** Aborted by the first signal. */
  signal: AbortSignal;
  /** The exit code of the one that came: 130 for SIGINT, 143 for SIGTERM. */
  exitCode(): number;
}

// Programs that start this one may pass on a Ctrl-C that the terminal has sent to all of them already.
const SAME_MS = 300;

/**
 * Listens to SIGINT and SIGTERM: the first ends the command after the current step, with the work so far saved;
 * a second one ends the process at once.
 */
export function listenToInterrupts(io: Io): Interrupt {
  const controller = new AbortController();
  let code: number = EXIT.interrupted;
  let since = 0;
  const listener = io.onInterrupt((exitCode) => {
    if (!controller.signal.aborted) {
      code = exitCode;
      since = io.now();
      io.printError("\nending after the current step; a second signal ends at once");
      controller.abort();
    } else if (exitCode !== code || io.now() - since > SAME_MS) {
      io.exit(exitCode);
    }
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    [Symbol.dispose]: () => listener[Symbol.dispose](),
  };
}
