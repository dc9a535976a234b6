import { Worker } from "node:worker_threads";
import type { WorkerModel, WorkerReply, WorkerRequest } from "./worker_messages.ts";

/** The main thread's handle of the worker that runs a model's sessions. */
export interface ModelWorker {
  /**
   * Sends a request; several may be pending. The request's arrays are detached. Rejects when the
   * worker fails or has ended.
   */
  ask(request: WorkerRequest): Promise<Float32Array<ArrayBuffer>[]>;
  /** Completes pending requests and frees the sessions; the worker is then reused. */
  close(): Promise<void>;
}

// Arrays of a request are transferred: a structured clone would copy them.
function transfers(request: WorkerRequest): ArrayBuffer[] {
  return Object.values(request).flat().filter(ArrayBuffer.isView).map((view) =>
    view.buffer as ArrayBuffer
  );
}

interface Pending {
  resolve(data: Float32Array<ArrayBuffer>[]): void;
  reject(error: Error): void;
}

/** A thread and the handlers of the model that uses it. */
interface Thread {
  worker: Worker;
  answered(reply: WorkerReply): void;
  failed(error: Error): void;
}

// Threads without a model. They are reused, because a thread that ends leaves two file descriptors
// (its event loop's) open in Deno 2.9.
const idle: Thread[] = [];

function startThread(): Thread {
  // Unlike a Web worker, one of node:worker_threads can be unref'd while it is idle. It takes no https
  // URL, which this module has when it comes from a registry; a data URL may import one.
  const module = import.meta.resolve("./worker.ts");
  const code = `data:text/javascript,${encodeURIComponent(`import ${JSON.stringify(module)};`)}`;
  const url = new URL(module.startsWith("file:") ? module : code);
  const thread: Thread = { worker: new Worker(url), answered() {}, failed() {} };
  thread.worker.on("message", (reply: WorkerReply) => thread.answered(reply));
  thread.worker.on("error", (error: Error) => thread.failed(error));
  thread.worker.on("messageerror", () => thread.failed(new Error("its reply is unreadable")));
  return thread;
}

function leaveIdle(thread: Thread): void {
  thread.answered = () => {};
  thread.failed = () => {
    if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1);
  };
  thread.worker.unref();
  idle.push(thread);
}

/**
 * Starts a worker for a model, or reuses an idle one. Sessions are created on first use.
 *
 * @param model The model that the worker runs.
 * @param name Name of the model in error messages.
 */
export function startModelWorker(model: WorkerModel, name: string): ModelWorker {
  const thread = idle.pop() ?? startThread();
  thread.worker.ref();
  const pending: Pending[] = [];
  let ended: Error | undefined;
  let closing: Promise<void> | undefined;

  thread.answered = (reply) => {
    const asked = pending.shift();
    if ("error" in reply) asked?.reject(new Error(`${name}: ${reply.error}`));
    else asked?.resolve(reply.data);
  };
  thread.failed = (error) => {
    ended ??= new Error(`${name}: the worker of the model failed: ${error.message}`);
    thread.worker.terminate();
    for (const { reject } of pending.splice(0)) reject(ended);
  };

  function ask(request: WorkerRequest): Promise<Float32Array<ArrayBuffer>[]> {
    if (ended) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      // Before `pending` changes: it throws for arrays that cannot be transferred.
      thread.worker.postMessage(request, transfers(request));
      pending.push({ resolve, reject });
    });
  }

  async function close(): Promise<void> {
    try {
      await ask({ kind: "close" });
      leaveIdle(thread);
    } catch {
      // Ending the thread frees what close() could not.
      thread.worker.terminate();
    }
  }

  // If opening fails, every later request fails with the same error.
  ask({ kind: "open", model }).catch(() => {});

  return {
    ask: (request) =>
      closing ? Promise.reject(new Error(`${name}: the model is closed`)) : ask(request),
    close: () => closing ??= close(),
  };
}
