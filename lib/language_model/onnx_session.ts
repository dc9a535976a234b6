import { InferenceSession, Tensor } from "./onnx_runtime.ts";
import { hookInput, streamInput } from "./split_graph.ts";

/** What a session may be fed with; which of it is used depends on the graph's inputs. */
export interface SessionInput {
  /** Token ids, [rows, L]. */
  tokens: Int32Array;
  /** Number of rows. */
  rows: number;
  /** Values of the hook, [rows, L, d]. */
  hook?: Float32Array;
  /** Values of the stream that the hook is added to, [rows, L, d]. */
  stream?: Float32Array;
}

/** Where and how sessions run. */
export interface SessionOptions {
  /** Folder that external data is read from. */
  folder: string;
  /** ONNX Runtime's execution provider. */
  device: string;
  /** Threads inside one operator. */
  threads: number;
}

/** Opens a session on the bytes of a model. Throws ONNX Runtime's error when it cannot. */
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
 * Runs a session; gives its outputs by name. Rows are full: masks are all ones, positions count from
 * 0, caches are empty.
 *
 * @throws Error naming an input of the graph that is not known here.
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
    // Only an empty cache can be made up: with no symbolic length there would be values in it.
    if (cache.includes(0)) return new Tensor(type, [], cache as number[]);
  }
  throw new Error(`no value is known for the graph input ${name}: ${type} [${shape.join(", ")}]`);
}

function integers(type: string, values: Int32Array, dims: number[]): Tensor {
  if (type === "int32") return new Tensor("int32", values, dims);
  return new Tensor("int64", BigInt64Array.from(values, BigInt), dims);
}
