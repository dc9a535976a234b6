/** A tensor that is read, or read and replaced. */
export interface HookTensor {
  /** Name of the tensor. */
  tensor: string;
  /** Length of its rows. */
  width: number;
  /** Of a branch: name of the tensor that it is added to. */
  stream?: string;
}

/** What the worker needs to know of a model, sent once, first. */
export interface WorkerModel extends HookTensor {
  /** The model's structure (an ONNX ModelProto); its weights are external data in `folder`. */
  structure: Uint8Array<ArrayBuffer>;
  /** Folder of the .onnx file. */
  folder: string;
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
  | { kind: "activations"; tokens: Int32Array; rows: number; points: HookTensor[] }
  | {
    kind: "losses";
    tokens: Int32Array;
    rows: number;
    /** Values of the hook, each [rows · L, width]; without them the model's own. */
    variants: (Float32Array | undefined)[];
    /** Whether the divergence of each variant from the first is wanted too. */
    divergence: boolean;
  }
  | {
    kind: "logits";
    tokens: Int32Array;
    rows: number;
    replacement?: Float32Array;
    /** Whether only those of each row's last position are wanted. */
    last: boolean;
  }
  | { kind: "unembed"; directions: Float32Array; scale: boolean }
  | { kind: "close" };

/** The worker's answer; answers come in the order of the questions. */
export type WorkerReply =
  | { data: Float32Array<ArrayBuffer>[] }
  | { error: string };
