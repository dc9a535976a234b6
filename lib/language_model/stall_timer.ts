import { type Hub, PassingFailure } from "./hub_request.ts";

/** Ends a transfer from which nothing arrives any more. */
export interface StallTimer {
  /** Aborted when nothing arrived for too long, or when the caller says so. */
  signal: AbortSignal;
  /** Something arrived: the time counts from now. */
  restart(): void;
  /** Throws what an error of the transfer means: a {@link PassingFailure} where it may pass. */
  explain(error: Error): never;
  /** Stops the time. */
  [Symbol.dispose](): void;
}

/** Starts to wait, for `patience.stall` milliseconds. */
export function stallTimer({ signal, patience }: Hub): StallTimer {
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout>;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(), patience.stall);
  };
  restart();
  return {
    signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal,
    restart,
    explain(error: Error): never {
      signal?.throwIfAborted();
      if (stalled.signal.aborted) {
        throw new PassingFailure(`nothing arrived for ${patience.stall / 1000} s`);
      }
      throw error instanceof TypeError || error.name === "Http"
        ? new PassingFailure(`the transfer broke: ${error.message}`)
        : error;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
