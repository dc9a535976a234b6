// The only place that imports onnxruntime-node: modules are run in the order of their imports, so
// whoever has the runtime from here has it without its telemetry.
import "./no_telemetry.ts";

export { InferenceSession, Tensor } from "onnxruntime-node";
