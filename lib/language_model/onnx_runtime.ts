// The only module that imports onnxruntime-node: modules run in the order of their imports, so that
// telemetry is off before the runtime is loaded.
import "./no_telemetry.ts";

import type { InferenceSession as Session, Tensor as Values } from "onnxruntime-node";
import { binding, initOrt } from "onnxruntime-node/dist/binding.js";

export { InferenceSession, Tensor } from "onnxruntime-node";

/**
 * Opens a model that the calling thread runs synchronously, on one thread. `InferenceSession.run` goes
 * through `setImmediate`, too slow for the CPU device's workers, which synchronize some hundred times
 * per second.
 */
export function openBlocking(
  model: Uint8Array,
  outputs: string[],
): (feeds: Record<string, Values>) => Record<string, Values> {
  initOrt();
  const session = new binding.InferenceSession();
  const options: Session.SessionOptions = {
    ...{ intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential" },
  };
  session.loadModel(model.buffer as ArrayBuffer, model.byteOffset, model.byteLength, options);
  const fetches = Object.fromEntries(outputs.map((name) => [name, null]));
  return (feeds) => session.run(feeds, fetches, {}) as Record<string, Values>;
}
