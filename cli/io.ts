import { fromFileUrl } from "@std/path";

/** Ctrl-C and SIGTERM, by the exit codes that they lead to. */
export type OnInterrupt = (exitCode: number) => void;

/** What the command line has of the process around it; a test passes its own. */
export interface Io {
  /** Writes a line to standard output. */
  print(line: string): void;
  /** Writes a line to standard error. */
  printError(line: string): void;
  /** The terminal that standard error is, if it is one. */
  terminal?: Terminal;
  /** Whether standard error takes colours: a terminal without `NO_COLOR`. */
  colour: boolean;
  /** An environment variable, undefined where it is not set. */
  env(name: string): string | undefined;
  /** Workers of the CPU device; undefined for one per core. Tests take none: they cost more than small work. */
  workers?: number;
  /** First wait before an endpoint is asked again, in milliseconds (default 500). */
  backoff?: number;
  /** Milliseconds since any fixed time. */
  now(): number;
  /** Calls back every so many milliseconds until it is disposed of. */
  every(milliseconds: number, call: () => void): Disposable;
  /** Listens to SIGINT (130) and SIGTERM (143) until it is disposed of. */
  onInterrupt(call: OnInterrupt): Disposable;
  /** Ends the process at once. */
  exit(exitCode: number): void;
  /** Runs another program to its end; undefined where there is none of that name. */
  run(program: string, args: string[]): Promise<ProgramResult | undefined>;
  /** Program and first arguments that call this command line again. */
  self(): string[];
}

/** What another program did. */
export interface ProgramResult {
  /** Its exit code. */
  code: number;
  /** What it printed. */
  stdout: string;
  /** Its errors. */
  stderr: string;
}

/** A terminal. */
export interface Terminal {
  /** Characters of a line. */
  columns(): number;
  /** Writes text as it is, without a line break. */
  write(text: string): void;
}

/** The process's own streams, variables, clock and signals. */
export function processIo(): Io {
  const isTerminal = Deno.stderr.isTerminal();
  const encoder = new TextEncoder();
  return {
    print: (line) => console.log(line),
    printError: (line) => console.error(line),
    terminal: isTerminal
      ? {
        columns: () => Deno.consoleSize().columns,
        write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
      }
      : undefined,
    colour: isTerminal && !Deno.noColor,
    env: (name) => Deno.env.get(name),
    now: () => performance.now(),
    every(milliseconds, call) {
      const timer = setInterval(call, milliseconds);
      // Progress alone keeps no process alive.
      Deno.unrefTimer(timer);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },
    onInterrupt(call) {
      const handlers: [Deno.Signal, () => void][] = [["SIGINT", () => call(130)]];
      // Windows has no SIGTERM to listen to.
      if (Deno.build.os !== "windows") handlers.push(["SIGTERM", () => call(143)]);
      for (const [name, handler] of handlers) Deno.addSignalListener(name, handler);
      return {
        [Symbol.dispose]() {
          for (const [name, handler] of handlers) Deno.removeSignalListener(name, handler);
        },
      };
    },
    exit: (exitCode) => Deno.exit(exitCode),
    async run(program, args) {
      try {
        const { code, stdout, stderr } = await new Deno.Command(program, { args }).output();
        const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
        return { code, stdout: text(stdout), stderr: text(stderr) };
      } catch (error) {
        // Without the permission to run it, as if it was not there.
        const { NotFound, NotCapable } = Deno.errors;
        if (error instanceof NotFound || error instanceof NotCapable) return undefined;
        throw error;
      }
    },
    self() {
      if (Deno.build.standalone) return [Deno.execPath()];
      const main = Deno.mainModule;
      const script = main.startsWith("file:") ? fromFileUrl(main) : main;
      return [Deno.execPath(), "run", "-A", script];
    },
  };
}

/** Arguments that do not fit: ends with exit code 2 and a hint at the help. */
export class UsageError extends Error {
  /** The name shown in front of the message. */
  override name: string = "UsageError";
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
