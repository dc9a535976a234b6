/// <reference lib="dom" />
import type { WorkerAnswer, WorkerRequest } from "./worker.ts";

/** The page's side of a worker. */
export interface AskedWorker {
  /**
   * Asks, and gives the answer.
   *
   * @param onEvent Called with what the worker tells meanwhile.
   * @throws {Error} The worker failed: its message.
   */
  ask<T>(
    request: Unnumbered<WorkerRequest>,
    onEvent?: (kind: string, value: unknown) => void,
  ): Promise<T>;
  /** Asks a training to end after its step. */
  stop(): void;
  /** Ends the worker. */
  end(): void;
}

type Unnumbered<T> = T extends unknown ? Omit<T, "id" | "base"> : never;

interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  onEvent?: (kind: string, value: unknown) => void;
}

/** Starts a worker of the site; its script is fetched now. */
export function startWorker(): AskedWorker {
  const base = document.baseURI;
  const worker = new Worker(new URL("worker.js", base), { type: "module" });
  const waiting = new Map<number, Waiting>();
  let asked = 0;
  let broken: Error | undefined;
  worker.addEventListener("message", ({ data }: MessageEvent<WorkerAnswer>) => {
    const { id, event, error, value } = data;
    const one = waiting.get(id);
    if (event) return one?.onEvent?.(event.kind, event.value);
    waiting.delete(id);
    if (error !== undefined) one?.reject(new Error(error));
    else one?.resolve(value);
  });
  worker.addEventListener("error", (event) => {
    broken = new Error(event.message ?? "worker.js cannot be read");
    for (const { reject } of waiting.values()) reject(broken);
    waiting.clear();
  });
  return {
    ask<T>(request: Unnumbered<WorkerRequest>, onEvent?: Waiting["onEvent"]) {
      const id = asked++;
      return new Promise<T>((resolve, reject) => {
        if (broken) return reject(broken);
        waiting.set(id, { resolve: resolve as Waiting["resolve"], reject, onEvent });
        worker.postMessage({ ...request, id, base });
      });
    },
    stop: () => worker.postMessage("stop"),
    end: () => worker.terminate(),
  };
}
