import { InferenceSession, Tensor } from "./onnx_runtime.ts";
import { hookInput, streamInput } from "./split_graph.ts";

/** Inputs of a session; the graph's inputs decide which are used. */
export interface SessionInput {
  /** Token ids, [rows, L]. */
  tokens: Int32Array;
  /** Number of rows. */
  rows: number;
  /** Values of the hook, [rows, L, d]. */
  hook?: Float32Array;
  /** Values of the stream that a branch is added to, [rows, L, d]. */
  stream?: Float32Array;
}

/** Options of {@linkcode createSession}. */
export interface SessionOptions {
  /** Folder of external data. */
  folder: string;
  /** ONNX Runtime's execution provider. */
  device: string;
  /** Number of threads per operator. */
  threads: number;
}

/** Opens a session on the bytes of a model. Rejects with ONNX Runtime's error if it cannot. */
export function createSession(
  bytes: Uint8Array<ArrayBuffer>,
  { folder, device, threads }: SessionOptions,
): Promise<InferenceSession> {
  return InferenceSession.create(bytes, {
    executionProviders: [device],
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  });
}

/**
 * Runs a session and returns its outputs by name. Rows are not padded: masks are all ones, positions
 * count from 0, caches are empty.
 *
 * @throws {Error} The graph has an input for which no value is known.
 */
export async function runSession(
  session: InferenceSession,
  input: SessionInput,
): Promise<Record<string, Tensor>> {
  const feeds: Record<string, Tensor> = {};
  for (const metadata of session.inputMetadata) {
    if (!metadata.isTensor) throw new Error(`graph input ${metadata.name} is not a tensor`);
    feeds[metadata.name] = feed(metadata, input);
  }
  return await session.run(feeds) as Record<string, Tensor>;
}

function feed(
  { name, type, shape }: InferenceSession.TensorValueMetadata,
  { tokens, rows, hook, stream }: SessionInput,
): Tensor {
  const length = tokens.length / rows;
  const dims = [rows, length];
  if (name === "input_ids") return integers(type, tokens, dims);
  if (name === "attention_mask") return integers(type, new Int32Array(tokens.length).fill(1), dims);
  if (name === "position_ids") return integers(type, tokens.map((_, i) => i % length), dims);
  const values = name === hookInput ? hook : name === streamInput ? stream : undefined;
  if (values) return new Tensor("float32", values, [...dims, values.length / tokens.length]);
  // 0 asks for the logits of all positions.
  if (/^(num_logits_to_keep|logits_to_keep)$/.test(name)) {
    return integers(type, new Int32Array(1), shape.length === 0 ? [] : [1]);
  }
  if (/^past_key_values\./.test(name) && (type === "float32" || type === "float16")) {
    const cache = shape.map((size, axis) => axis === 0 ? rows : Number.isInteger(size) ? size : 0);
    // Only an empty cache can be created: one without a symbolic length would need values.
    if (cache.includes(0)) return new Tensor(type, [], cache as number[]);
  }
  throw new Error(`no value is known for the graph input ${name}: ${type} [${shape.join(", ")}]`);
}

function integers(type: string, values: Int32Array, dims: number[]): Tensor {
  if (type === "int32") return new Tensor("int32", values, dims);
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
