import { type Hub, PassingFailure, type RequestTimer } from "./hub_request.ts";

/** Ends a transfer from which nothing arrives any more. */
export interface StallTimer extends RequestTimer {
  /** Throws what an error of the transfer means: a {@link PassingFailure} where it may pass. */
  explain(error: Error): never;
  /** Stops the time. */
  [Symbol.dispose](): void;
}

/** Starts to wait for an answer. */
export function stallTimer({ signal, patience }: Hub): StallTimer {
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  let limit: number;
  const restart = (milliseconds = patience.stall) => {
    clearTimeout(timer);
    limit = milliseconds;
    timer = setTimeout(() => stalled.abort(), limit);
  };
  restart(patience.answer);
  return {
    signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
    restart,
    explain(error: Error): never {
      signal?.throwIfAborted();
      if (stalled.signal.aborted) {
        throw new PassingFailure(`nothing arrived for ${limit / 1000} s`);
      }
      throw error instanceof TypeError || error.name === "Http"
        ? new PassingFailure(`the transfer broke: ${error.message}`)
        : error;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
