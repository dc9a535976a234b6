/** A tensor that is read or replaced. */
export interface HookTensor {
  /** Name of the tensor. */
  tensor: string;
  /** Length of its rows. */
  width: number;
  /** For a branch: name of the stream's tensor that it is added to. */
  stream?: string;
}

/** A model, as sent to the worker in the first request. */
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

/** A request to the worker. Tokens are `rows` rows of equal length, row after row. */
export type WorkerRequest =
  | { kind: "open"; model: WorkerModel }
  | { kind: "activations"; tokens: Int32Array; rows: number; points: HookTensor[] }
  | {
    kind: "losses";
    tokens: Int32Array;
    rows: number;
    /** Values of the hook, each [rows · L, width]; undefined for the model's own. */
    variants: (Float32Array | undefined)[];
    /** Whether to compute the divergence of each variant from the first too. */
    divergence: boolean;
  }
  | {
    kind: "logits";
    tokens: Int32Array;
    rows: number;
    replacement?: Float32Array;
    /** Whether to return those of each row's last position only. */
    last: boolean;
  }
  | { kind: "unembed"; directions: Float32Array; scale: boolean }
  | { kind: "close" };

/** The worker's reply; replies come in the order of the requests. */
export type WorkerReply =
  | { data: Float32Array<ArrayBuffer>[] }
  | { error: string };
