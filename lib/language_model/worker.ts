// The worker that runs ONNX Runtime: a run blocks the thread that it is called on, and the main
// thread has training steps to submit meanwhile.

import { fromBinary } from "@bufbuild/protobuf";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { lossOutput, withCrossEntropy } from "./cross_entropy.ts";
import type { InferenceSession, Tensor } from "./onnx_runtime.ts";
import { createSession, runSession } from "./onnx_session.ts";
import { type Cut, hookInput, modelBytes, prefixModel } from "./split_graph.ts";
import { streamInput, type StreamType, suffixModel } from "./split_graph.ts";
import type { WorkerModel, WorkerReply, WorkerRequest } from "./worker_messages.ts";

// 2^24 logits are 64 MiB: more rows than that go through the suffix in several runs. tiny-gpt2's loss
// took 3 times as long with 2^26, which the allocator maps afresh in every run.
const logitsLimit = 2 ** 24;

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerRequest>) => void;
  postMessage(message: WorkerReply, transfer: Transferable[]): void;
};

// Of the model that is open; throws where it could not be opened.
let runner: () => ReturnType<typeof createRunner>;
let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  last = last.then(() => answer(data)).catch((error) => {
    scope.postMessage({ error: error instanceof Error ? error.message : String(error) }, []);
  });
};

async function answer(request: WorkerRequest): Promise<void> {
  let data = new Float32Array(0);
  if (request.kind === "open") open(request.model);
  else if (request.kind === "activations") {
    data = await runner().activations(request.tokens, request.rows);
  } else if (request.kind === "crossEntropy") {
    data = await runner().crossEntropy(request.tokens, request.rows, request.replacement);
  } else await close();
  scope.postMessage({ data }, [data.buffer]);
}

function open(model: WorkerModel): void {
  try {
    const opened = createRunner(model);
    runner = () => opened;
  } catch (error) {
    runner = () => {
      throw error;
    };
  }
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

function createRunner(options: WorkerModel) {
  const { structure, tensor, stream, dModel, vocabSize, logits } = options;
  const outputs = stream === undefined ? [tensor] : [tensor, stream];
  const model: ModelProto = fromBinary(ModelProtoSchema, structure);
  let prefix: InferenceSession | undefined;
  let suffix: InferenceSession | undefined;

  async function openPrefix(): Promise<InferenceSession> {
    return prefix ??= await createSession(modelBytes(prefixModel(model, outputs)), options);
  }

  async function openSuffix(): Promise<InferenceSession> {
    if (suffix) return suffix;
    // Only the runtime's own inference knows the element type of the stream for sure.
    const { outputMetadata } = await openPrefix();
    const cuts = outputs.map((name, i): Cut => {
      const metadata = outputMetadata.find((one) => one.name === name);
      const known = metadata?.isTensor ? metadata : undefined;
      return {
        tensor: name,
        input: i === 0 ? hookInput : streamInput,
        type: (known?.type ?? "float32") as StreamType,
        flat: known?.shape.length === 2,
      };
    });
    const part = suffixModel(model, cuts, { dModel, logits });
    return suffix = await createSession(modelBytes(withCrossEntropy(part, logits)), options);
  }

  // The values of the hook, and of the stream that it is added to if it is a branch.
  async function runPrefix(
    tokens: Int32Array,
    rows: number,
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const result = await runSession(await openPrefix(), { tokens, rows });
    const expected = [rows, tokens.length / rows, dModel];
    return outputs.map((name) => {
      const output = result[name];
      const { dims } = output;
      const flat = dims.length === 2 && dims[0] === tokens.length && dims[1] === dModel;
      if (!flat && dims.join() !== expected.join()) {
        throw new Error(
          `hook ${name} has the shape [${dims.join(", ")}], expected ` +
            `[rows, positions, hidden size] = [${expected.join(", ")}]`,
        );
      }
      return floats(output, name);
    });
  }

  async function activations(
    tokens: Int32Array,
    rows: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    return (await runPrefix(tokens, rows))[0];
  }

  async function crossEntropy(
    tokens: Int32Array,
    rows: number,
    replacement?: Float32Array,
  ): Promise<Float32Array<ArrayBuffer>> {
    const length = tokens.length / rows;
    // A replaced branch is added to the stream as it is.
    const [hook, before] = replacement && stream === undefined
      ? [replacement]
      : await runPrefix(tokens, rows);
    const session = await openSuffix();
    // The last position has no next token: it gets target 0, and its loss is left out below.
    const targets = new Int32Array(tokens.length);
    targets.set(tokens.subarray(1));
    for (let row = 0; row < rows; row++) targets[row * length + length - 1] = 0;
    const loss = new Float32Array(rows * (length - 1));
    const step = Math.max(1, Math.floor(logitsLimit / (length * vocabSize)));
    for (let from = 0; from < rows; from += step) {
      const to = Math.min(rows, from + step);
      const part = (values?: Float32Array) =>
        values?.subarray(from * length * dModel, to * length * dModel);
      const output = await runSession(session, {
        tokens: tokens.subarray(from * length, to * length),
        rows: to - from,
        hook: part(replacement ?? hook),
        stream: part(before),
        targets: targets.subarray(from * length, to * length),
      });
      const values = floats(output[lossOutput], "cross-entropy");
      for (let row = from; row < to; row++) {
        const at = (row - from) * length;
        loss.set(values.subarray(at, at + length - 1), row * (length - 1));
      }
    }
    return loss;
  }

  async function close(): Promise<void> {
    await prefix?.release();
    await suffix?.release();
  }

  return { activations, crossEntropy, close };
}

function floats(output: Tensor, name: string): Float32Array<ArrayBuffer> {
  if (output.type === "float32") return output.data as Float32Array<ArrayBuffer>;
  if (output.type === "float16" || output.type === "float64") {
    return Float32Array.from(output.data as Float64Array<ArrayBuffer>);
  }
  throw new Error(`${name} is a tensor of ${output.type}, expected floating-point numbers`);
}
