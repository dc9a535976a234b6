// Runs ONNX Runtime in a worker: a run blocks its thread, and the main thread submits training steps
// meanwhile.

import { createRunner, type ModelRunner } from "./model_runner.ts";
import type { WorkerReply, WorkerRequest } from "./worker_messages.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerRequest>) => void;
  postMessage(message: WorkerReply, transfer: Transferable[]): void;
};

// Returns the open model's runner; throws if it could not be opened.
let runner: () => ModelRunner;
let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  last = last.then(() => answer(data)).catch((error) => {
    scope.postMessage({ error: error instanceof Error ? error.message : String(error) }, []);
  });
};

async function answer(request: WorkerRequest): Promise<void> {
  let data: Float32Array<ArrayBuffer>[] = [];
  if (request.kind === "open") {
    try {
      const opened = createRunner(request.model);
      runner = () => opened;
    } catch (error) {
      runner = () => {
        throw error;
      };
    }
  } else if (request.kind === "close") await close();
  else if (request.kind === "activations") data = await runner().activations(request);
  else if (request.kind === "losses") data = await runner().losses(request);
  else if (request.kind === "logits") data = [await runner().logits(request)];
  else data = [await runner().unembed(request)];
  scope.postMessage({ data }, data.map(({ buffer }) => buffer));
}

async function close(): Promise<void> {
  let opened;
  try {
    opened = runner();
  } catch {
    return;
  } finally {
    runner = () => {
      throw new Error("no model is open");
    };
  }
  await opened.close();
}
