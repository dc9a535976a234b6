/** What the worker needs to know of a model, sent once, first. */
export interface WorkerModel {
  /** The model's structure (an ONNX ModelProto); its weights are external data in `folder`. */
  structure: Uint8Array<ArrayBuffer>;
  /** Folder of the .onnx file. */
  folder: string;
  /** Name of the hook's tensor. */
  tensor: string;
  /** Of a branch: name of the tensor that it is added to. */
  stream?: string;
  /** Name of the output with the logits. */
  logits: string;
  /** Width of the residual stream. */
  dModel: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /** ONNX Runtime's execution provider. */
  device: string;
  /** Threads of ONNX Runtime. */
  threads: number;
}

/** A question to the worker. Tokens are `rows` rows of equal length, row after row. */
export type WorkerRequest =
  | { kind: "open"; model: WorkerModel }
  | { kind: "activations"; tokens: Int32Array; rows: number }
  | { kind: "crossEntropy"; tokens: Int32Array; rows: number; replacement?: Float32Array }
  | { kind: "close" };

/** The worker's answer; answers come in the order of the questions. */
export type WorkerReply =
  | { data: Float32Array<ArrayBuffer> }
  | { error: string };
