// The only place that imports onnxruntime-node: modules are run in the order of their imports, so
// whoever has the runtime from here has it without its telemetry.
import "./no_telemetry.ts";

import type { InferenceSession as Session, Tensor as Values } from "onnxruntime-node";
import { binding, initOrt } from "onnxruntime-node/dist/binding.js";

export { InferenceSession, Tensor } from "onnxruntime-node";

/**
 * Opens a model on one thread, to be run by the calling thread: `InferenceSession.run` goes through
 * `setImmediate` for each run, which the CPU device's workers, in step with one another some hundred times a
 * second, neither want to wait for nor to depend on.
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
