import { fromBinary } from "@bufbuild/protobuf";
import { type GraphProto, type ModelProto, ModelProtoSchema } from "onnx-buf";
import { ancestors, linkGraph } from "./graph_ancestors.ts";
import { findUnembedding } from "./find_unembedding.ts";
import { headModel, unembeddedOutput, unembeddingModel } from "./head_graph.ts";
import { createHead, type Head, runRows } from "./head_runs.ts";
import type { InferenceSession, Tensor } from "./onnx_runtime.ts";
import { createSession, runSession } from "./onnx_session.ts";
import { type Cut, hookInput, modelBytes, prefixModel } from "./split_graph.ts";
import { streamInput, type StreamType, suffixModel } from "./split_graph.ts";
import type { HookTensor, WorkerModel, WorkerRequest } from "./worker_messages.ts";

type Request<K extends WorkerRequest["kind"]> = Extract<WorkerRequest, { kind: K }>;
type Floats = Float32Array<ArrayBuffer>;

/** A model's sessions, made when they are first used; each holds the layers that it runs. */
export interface ModelRunner {
  /** Values of tensors of the prefix, [rows · L, width] each. */
  activations(request: Omit<Request<"activations">, "kind">): Promise<Floats[]>;
  /** Loss of each variant, [rows · (L − 1)]; where it is wanted, then the divergence of each but the first. */
  losses(request: Omit<Request<"losses">, "kind">): Promise<Floats[]>;
  /** Logits of all positions, [rows · L, vocabulary], or of the last ones, [rows, vocabulary]. */
  logits(request: Omit<Request<"logits">, "kind">): Promise<Floats>;
  /** Directions times the unembedding, [n, vocabulary]. */
  unembed(request: Omit<Request<"unembed">, "kind">): Promise<Floats>;
  /** Frees the sessions. */
  close(): Promise<void>;
}

/**
 * Cuts a model into the parts that are run: the prefix up to the hook; the stem from the hook to what
 * is unembedded; the head, which is unembedding and loss. Nothing is loaded yet.
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

  // Whether later layers depend on the tokens themselves, not only on how many there are.
  let stemReadsTokens = true;

  function session(name: string, part: () => ModelProto): Promise<InferenceSession> {
    let found = sessions.get(name);
    if (!found) {
      found = createSession(modelBytes(part()), options);
      sessions.set(name, found);
      // What failed is tried again, and says so again.
      found.catch(() => sessions.delete(name));
    }
    return found;
  }

  async function prefix(points: HookTensor[]): Promise<InferenceSession> {
    const names = [...new Set(points.map((point) => point.tensor))].sort();
    const key = `prefix ${names.join(" ")}`;
    // One set of points at a time: each has layers of its own in memory.
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
      // Each array is handed over: two names of one tensor need two.
      const values = floats(output, tensor);
      const copy = copies.has(tensor) ? values.slice() : values;
      copies.add(tensor);
      return copy;
    });
  }

  async function openStem(): Promise<InferenceSession> {
    // Only the runtime's own inference knows the element type of the stream for sure.
    const { outputMetadata } = await prefix(hook);
    return await session("stem", () => {
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
      stemReadsTokens = readsTokens(part.graph!);
      return part;
    });
  }

  // The element type of what is unembedded.
  async function stemType(): Promise<StreamType> {
    const [metadata] = (await openStem()).outputMetadata;
    return metadata.isTensor ? metadata.type as StreamType : "float32";
  }

  async function openHead(): Promise<Head> {
    const type = await stemType();
    const opened = await session("head", () => headModel(model, { logits, unembedding, type }));
    return createHead(opened, vocabSize);
  }

  /** What is unembedded, for each variant of the hook's values. */
  async function stems(
    { tokens, rows, variants }: Pick<Request<"losses">, "tokens" | "rows" | "variants">,
  ): Promise<{ rows: number; data: Floats }[]> {
    const length = tokens.length / rows;
    // A replaced branch is added to the stream as it is.
    const needed = stream !== undefined || variants.includes(undefined);
    const [own, before] = needed ? await activations({ tokens, rows, points: hook }) : [];
    const stem = await openStem();
    const found = [];
    for (const variant of variants) {
      const values = variant ?? own;
      // A stream of zeros is the same in all rows: one of them stands for the others.
      const same = !stemReadsTokens && rowsAreEqual(values, rows) &&
        (!before || rowsAreEqual(before, rows));
      const result = await runSession(stem, {
        tokens: same ? tokens.subarray(0, length) : tokens,
        rows: same ? 1 : rows,
        hook: same ? values.subarray(0, values.length / rows) : values,
        stream: same ? before?.subarray(0, before.length / rows) : before,
      });
      const [name] = stem.outputNames;
      found.push({ rows: same ? 1 : rows, data: floats(result[name], name) });
    }
    return found;
  }

  return {
    activations,
    async losses(request) {
      const parts = await stems(request);
      return await (await openHead()).losses(parts, request);
    },
    async logits({ tokens, rows, replacement, last }) {
      const [part] = await stems({ tokens, rows, variants: [replacement] });
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
          `no product with constant weights is found that makes ${logits}: the unembedding is unknown`,
        );
      }
      if (scale && !unembedding.norm) {
        throw new Error(`no final norm with a scale is found in front of ${unembedding.input}`);
      }
      const rows = directions.length / dModel;
      const type = unembedding.product.node.opType === "MatMulNBits" ? await stemType() : "float32";
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

/** Each row without its mean. */
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

/** A tensor of floating-point numbers as float32. Throws Error for other types. */
export function floats(output: Tensor, name: string): Floats {
  if (output.type === "float32") return output.data as Floats;
  if (output.type === "float16" || output.type === "float64") {
    return Float32Array.from(output.data as Float64Array<ArrayBuffer>);
  }
  throw new Error(`${name} is a tensor of ${output.type}, expected floating-point numbers`);
}
