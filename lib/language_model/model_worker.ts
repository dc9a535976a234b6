import { Worker } from "node:worker_threads";
import type { WorkerModel, WorkerReply, WorkerRequest } from "./worker_messages.ts";

/** The main thread's end of the worker that runs a model's sessions. */
export interface ModelWorker {
  /**
   * Asks the worker; several questions may be open. The request's arrays are detached. Rejects when
   * the worker fails or has ended.
   */
  ask(request: WorkerRequest): Promise<Float32Array<ArrayBuffer>[]>;
  /** Answers what is open and frees the sessions; the worker then waits for another model. */
  close(): Promise<void>;
}

// Arrays of a request are the worker's from here on: a clone would copy them once more.
function transfers(request: WorkerRequest): ArrayBuffer[] {
  return Object.values(request).flat().filter(ArrayBuffer.isView).map((view) =>
    view.buffer as ArrayBuffer
  );
}

interface Pending {
  resolve(data: Float32Array<ArrayBuffer>[]): void;
  reject(error: Error): void;
}

/** A thread, and what the model that has it does with its answers. */
interface Thread {
  worker: Worker;
  answered(reply: WorkerReply): void;
  failed(error: Error): void;
}

// Threads without a model. Each that ends leaves two file descriptors open in Deno 2.9 (an event loop
// of its own), so a process has as many threads as models were open at once, and no more.
const idle: Thread[] = [];

function startThread(): Thread {
  // Unlike a Web worker, one of node:worker_threads need not keep the process alive while it is idle.
  // It takes no https address, which this module has when it comes from a registry: code may have one.
  const module = import.meta.resolve("./worker.ts");
  const code = `data:text/javascript,${encodeURIComponent(`import ${JSON.stringify(module)};`)}`;
  const url = new URL(module.startsWith("file:") ? module : code);
  const thread: Thread = { worker: new Worker(url), answered() {}, failed() {} };
  thread.worker.on("message", (reply: WorkerReply) => thread.answered(reply));
  thread.worker.on("error", (error: Error) => thread.failed(error));
  thread.worker.on("messageerror", () => thread.failed(new Error("its answer was unreadable")));
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
 * Gives a model a worker of its own: one that is idle, or a new one. Sessions are made in it on first
 * use.
 *
 * @param model What the worker runs.
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
      // First, since it throws for arrays that cannot be transferred.
      thread.worker.postMessage(request, transfers(request));
      pending.push({ resolve, reject });
    });
  }

  async function close(): Promise<void> {
    try {
      await ask({ kind: "close" });
      leaveIdle(thread);
    } catch {
      // What could not be freed goes with the thread.
      thread.worker.terminate();
    }
  }

  // What fails to open fails every later question with the same error.
  ask({ kind: "open", model }).catch(() => {});

  return {
    ask: (request) =>
      closing ? Promise.reject(new Error(`${name}: the model is closed`)) : ask(request),
    close: () => closing ??= close(),
  };
}
