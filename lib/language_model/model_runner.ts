import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, type ModelProto, ModelProtoSchema } from "onnx-buf";
import { ancestors, linkGraph } from "./graph_ancestors.ts";
import { findUnembedding } from "./find_unembedding.ts";
import { headModel, unembeddedOutput, unembeddingModel } from "./head_graph.ts";
import { createHead, type Head, runRows } from "./head_runs.ts";
import type { InferenceSession, Tensor } from "./onnx_runtime.ts";
import { createSession, runSession } from "./onnx_session.ts";
import {
  type Cut,
  hookInput,
  modelBytes,
  prefixModel,
  streamInput,
  type StreamType,
  suffixModel,
} from "./split_graph.ts";
import type { HookTensor, WorkerModel, WorkerRequest } from "./worker_messages.ts";

type Request<K extends WorkerRequest["kind"]> = Extract<WorkerRequest, { kind: K }>;
type Floats = Float32Array<ArrayBuffer>;

/** A model's sessions, created on first use; each holds the layers that it runs. */
export interface ModelRunner {
  /** Values of tensors, [rows · L, width] each. */
  activations(request: Omit<Request<"activations">, "kind">): Promise<Floats[]>;
  /** Loss of each variant, [rows · (L − 1)]; with `divergence`, then that of each variant but the first. */
  losses(request: Omit<Request<"losses">, "kind">): Promise<Floats[]>;
  /** Logits, [rows · L, vocabulary], or with `last` [rows, vocabulary]. */
  logits(request: Omit<Request<"logits">, "kind">): Promise<Floats>;
  /** Directions times the unembedding, [n, vocabulary]. */
  unembed(request: Omit<Request<"unembed">, "kind">): Promise<Floats>;
  /** Frees the sessions. */
  close(): Promise<void>;
}

/**
 * Splits a model into parts that run one after another: the prefix up to the hook, the suffix from
 * the hook to the unembedding's input, and the head with unembedding and loss. Nothing is loaded yet.
 */
export function createRunner(options: WorkerModel): ModelRunner {
  const { structure, tensor, stream, width, dModel, vocabSize, logits } = options;
  const model: ModelProto = fromBinary(ModelProtoSchema, structure);
  const unembedding = findUnembedding(model.graph!, logits);
  const sessions = new Map<string, Promise<InferenceSession>>();
  const hook: HookTensor[] = [
    { tensor, width },
    ...stream === undefined ? [] : [{ tensor: stream, width: dModel }],
  ];

  // Whether the suffix depends on the tokens themselves, not only on their number.
  let suffixReadsTokens = true;

  function session(name: string, part: () => ModelProto): Promise<InferenceSession> {
    let found = sessions.get(name);
    if (!found) {
      found = createSession(modelBytes(part()), options);
      sessions.set(name, found);
      // After a failure the next call tries again.
      found.catch(() => sessions.delete(name));
    }
    return found;
  }

  async function prefix(points: HookTensor[]): Promise<InferenceSession> {
    const names = [...new Set(points.map((point) => point.tensor))].sort();
    const key = `prefix ${names.join(" ")}`;
    // Only one prefix at a time: each has its own layers in memory.
    for (const [name, other] of sessions) {
      if (!name.startsWith("prefix ") || name === key) continue;
      sessions.delete(name);
      await (await other).release();
    }
    return await session(key, () => prefixModel(model, names));
  }

  async function activations(
    { tokens, rows, points }: Parameters<ModelRunner["activations"]>[0],
  ): Promise<Floats[]> {
    const result = await runSession(await prefix(points), { tokens, rows });
    const copies = new Set<string>();
    return points.map(({ tensor, width }) => {
      const output = result[tensor];
      checkShape(output, tensor, [rows, tokens.length / rows, width]);
      // Arrays are transferred to the main thread: two names of one tensor need two arrays.
      const values = floats(output, tensor);
      const copy = copies.has(tensor) ? values.slice() : values;
      copies.add(tensor);
      return copy;
    });
  }

  async function openSuffix(): Promise<InferenceSession> {
    // The element type of the stream is known from ONNX Runtime's type inference only.
    const { outputMetadata } = await prefix(hook);
    return await session("suffix", () => {
      const cuts = hook.map(({ tensor, width }, i): Cut => {
        const metadata = outputMetadata.find((one) => one.name === tensor);
        const known = metadata?.isTensor ? metadata : undefined;
        return {
          tensor,
          width,
          input: i === 0 ? hookInput : streamInput,
          type: (known?.type ?? "float32") as StreamType,
          flat: known?.shape.length === 2,
        };
      });
      const part = suffixModel(model, cuts, unembedding?.input ?? logits);
      suffixReadsTokens = readsTokens(part.graph!);
      return part;
    });
  }

  // Element type of the unembedding's input.
  async function suffixType(): Promise<StreamType> {
    const [metadata] = (await openSuffix()).outputMetadata;
    return metadata.isTensor ? metadata.type as StreamType : "float32";
  }

  async function openHead(): Promise<Head> {
    const type = await suffixType();
    const opened = await session("head", () => headModel(model, { logits, unembedding, type }));
    return createHead(opened, vocabSize);
  }

  /** The unembedding's input for each variant of the hook's values. */
  async function runSuffix(
    { tokens, rows, variants }: Pick<Request<"losses">, "tokens" | "rows" | "variants">,
  ): Promise<{ rows: number; data: Floats }[]> {
    const length = tokens.length / rows;
    // A replaced branch is added to the unchanged stream.
    const needed = stream !== undefined || variants.includes(undefined);
    const [own, before] = needed ? await activations({ tokens, rows, points: hook }) : [];
    const suffix = await openSuffix();
    const found = [];
    for (const variant of variants) {
      const values = variant ?? own;
      // Ablated activations are the same in all rows: one row is enough.
      const same = !suffixReadsTokens && rowsAreEqual(values, rows) &&
        (!before || rowsAreEqual(before, rows));
      const result = await runSession(suffix, {
        tokens: same ? tokens.subarray(0, length) : tokens,
        rows: same ? 1 : rows,
        hook: same ? values.subarray(0, values.length / rows) : values,
        stream: same ? before?.subarray(0, before.length / rows) : before,
      });
      const [name] = suffix.outputNames;
      found.push({ rows: same ? 1 : rows, data: floats(result[name], name) });
    }
    return found;
  }

  return {
    activations,
    async losses(request) {
      const parts = await runSuffix(request);
      return await (await openHead()).losses(parts, request);
    },
    async logits({ tokens, rows, replacement, last }) {
      const [part] = await runSuffix({ tokens, rows, variants: [replacement] });
      const length = tokens.length / rows;
      const width = part.data.length / (part.rows * length);
      const wanted = last ? lastPositions(part.data, part.rows, width) : part.data;
      const all = await (await openHead()).logits(wanted, wanted.length / width);
      if (part.rows === rows) return all;
      const repeated = new Float32Array(all.length * rows);
      for (let row = 0; row < rows; row++) repeated.set(all, row * all.length);
      return repeated;
    },
    async unembed({ directions, scale }) {
      if (!unembedding) {
        throw new Error(
          `no unembedding is found: ${logits} is not a product with constant weights`,
        );
      }
      if (scale && !unembedding.norm) {
        throw new Error(`no final norm with a scale is found before ${unembedding.input}`);
      }
      const rows = directions.length / dModel;
      const type = unembedding.product.node.opType === "MatMulNBits"
        ? await suffixType()
        : "float32";
      const opened = await session(
        `unembedding ${scale}`,
        () => unembeddingModel(model, unembedding, { type, scale }),
      );
      const centred = scale && unembedding.norm!.centred ? centre(directions, rows) : directions;
      const result = await runRows(opened, { rows: centred, count: rows }, [unembeddedOutput]);
      return floats(result[unembeddedOutput], unembeddedOutput);
    },
    async close() {
      for (const opened of sessions.values()) {
        await (await opened.catch(() => undefined))?.release();
      }
      sessions.clear();
    },
  };
}

function readsTokens(graph: GraphProto): boolean {
  const links = linkGraph(graph);
  const outputs = graph.output.map(({ name }) => name);
  const needed = ancestors(links, outputs, { valuesOnly: true });
  return links.reads.some((reads, index) => needed[index] && reads.includes("input_ids"));
}

function checkShape({ dims }: Tensor, tensor: string, expected: number[]): void {
  const [rows, length, width] = expected;
  const flat = dims.length === 2 && dims[0] === rows * length && dims[1] === width;
  if (flat || dims.join() === expected.join()) return;
  throw new Error(
    `hook ${tensor} has the shape [${dims.join(", ")}], expected ` +
      `[rows, positions, width] = [${expected.join(", ")}]`,
  );
}

function rowsAreEqual(values: Float32Array, rows: number): boolean {
  if (rows === 1) return false;
  const length = values.length / rows;
  for (let at = length; at < values.length; at++) {
    if (values[at] !== values[at - length]) return false;
  }
  return true;
}

function lastPositions(data: Float32Array, rows: number, width: number): Float32Array {
  const last = new Float32Array(rows * width);
  const size = data.length / rows;
  for (let row = 0; row < rows; row++) {
    last.set(data.subarray((row + 1) * size - width, (row + 1) * size), row * width);
  }
  return last;
}

/** Subtracts each row's mean. */
function centre(directions: Float32Array, rows: number): Float32Array {
  const width = directions.length / rows;
  const centred = directions.slice();
  for (let from = 0; from < centred.length; from += width) {
    const row = centred.subarray(from, from + width);
    const mean = row.reduce((sum, value) => sum + value, 0) / width;
    row.forEach((value, i) => row[i] = value - mean);
  }
  return centred;
}

/** A floating-point tensor as float32. Throws Error for other types. */
export function floats(output: Tensor, name: string): Floats {
  if (output.type === "float32") return output.data as Floats;
  if (output.type === "float16" || output.type === "float64") {
    return Float32Array.from(output.data as Float64Array<ArrayBuffer>);
  }
  throw new Error(`${name} is a tensor of ${output.type}, expected floating-point numbers`);
}
