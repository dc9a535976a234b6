import { EXIT } from "./command.ts";

/** What ends a command early, until it is disposed of. */
export interface Interrupt extends Disposable {
  /** Aborted by the first SIGINT (Ctrl-C) or SIGTERM, which batch systems send before they kill. */
  signal: AbortSignal;
  /** The exit code of the one that came: 130 for SIGINT, 143 for SIGTERM. */
  exitCode(): number;
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
