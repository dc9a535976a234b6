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
