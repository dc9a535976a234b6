import type { WorkerModel, WorkerReply, WorkerRequest } from "./worker_messages.ts";

/** The main thread's end of the worker that runs a model's sessions. */
export interface ModelWorker {
  /**
   * Asks the worker; several questions may be open. The request's arrays are detached. Rejects when
   * the worker fails or has ended.
   */
  ask(request: WorkerRequest): Promise<Float32Array<ArrayBuffer>>;
  /** Answers what is open, frees the sessions and ends the worker. */
  close(): Promise<void>;
}

// Arrays of a request are the worker's from here on: a clone would copy them once more.
function transfers(request: WorkerRequest): Transferable[] {
  return Object.values(request).filter(ArrayBuffer.isView).map((view) =>
    view.buffer as ArrayBuffer
  );
}

interface Pending {
  resolve(data: Float32Array<ArrayBuffer>): void;
  reject(error: Error): void;
}

/**
 * Starts the worker of a model. Sessions are made in it on first use.
 *
 * @param model What the worker runs.
 * @param name Name of the model in error messages.
 */
export function startModelWorker(model: WorkerModel, name: string): ModelWorker {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const pending: Pending[] = [];
  let ended: Error | undefined;
  let closing: Promise<void> | undefined;

  function end(error: Error): void {
    ended ??= error;
    worker.terminate();
    for (const { reject } of pending.splice(0)) reject(ended);
  }

  worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
    // An answer may still arrive from a worker that was ended.
    const asked = pending.shift();
    if ("error" in data) asked?.reject(new Error(`${name}: ${data.error}`));
    else asked?.resolve(data.data);
  };
  worker.onerror = (event) => {
    // Without this Deno ends the whole process.
    event.preventDefault();
    end(new Error(`${name}: the worker of the model failed: ${event.message}`));
  };
  worker.onmessageerror = () => end(new Error(`${name}: an answer of the worker was unreadable`));

  function ask(request: WorkerRequest): Promise<Float32Array<ArrayBuffer>> {
    if (ended) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      // First, since it throws for arrays that cannot be transferred.
      worker.postMessage(request, transfers(request));
      pending.push({ resolve, reject });
    });
  }

  // A failure to open is the failure of every question after it too.
  ask({ kind: "open", model }).catch(end);

  return {
    ask: (request) =>
      closing ? Promise.reject(new Error(`${name}: the model is closed`)) : ask(request),
    close: () =>
      closing ??= ask({ kind: "close" }).then(() => {}, () => {}).then(() =>
        end(new Error(`${name}: the model is closed`))
      ),
  };
}
