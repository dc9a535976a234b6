import { findHooks, type HookPoint } from "../../lib/language_model/find_hooks.ts";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { InferenceSession, Tensor } from "../../lib/language_model/onnx_runtime.ts";
import { createSession, runSession } from "../../lib/language_model/onnx_session.ts";
import {
  type Cut,
  hookInput,
  modelBytes,
  prefixModel,
  streamInput,
  type StreamType,
  suffixModel,
} from "../../lib/language_model/split_graph.ts";

/** A model's graph, run in one piece and in two at each of its hooks. */
export interface HookRunner {
  points: HookPoint[];
  /** Logits of the graph as the file has it. */
  intact(): Promise<Float32Array>;
  /** Values of hooks by the prefix, in the order of `points`. */
  prefix(points: HookPoint[]): Promise<Float32Array[]>;
  /** Logits of the suffix of a hook with the given values in its place. */
  suffix(point: HookPoint, values: Float32Array): Promise<Float32Array>;
}

export function openHooks(
  path: string,
  { tokens, rows, layers, dModel }: {
    tokens: Int32Array;
    rows: number;
    layers: number;
    dModel: number;
  },
): HookRunner {
  const { model, graph, folder } = readOnnxGraph(path);
  const { points, logits } = findHooks(graph, layers);
  const options = { folder, device: "cpu", threads: 1 };
  const cache = new Map<string, Float32Array>();
  const known = new Map<string, { type: StreamType; flat: boolean }>();

  async function prefix(wanted: HookPoint[]): Promise<Float32Array[]> {
    const names = [
      ...new Set(wanted.flatMap(({ tensor, stream }) => stream ? [tensor, stream] : [tensor])),
    ];
    if (names.every((name) => cache.has(name))) {
      return wanted.map(({ tensor }) => cache.get(tensor)!.slice());
    }
    const session = await createSession(modelBytes(prefixModel(model, names)), options);
    for (const one of session.outputMetadata) {
      if (!one.isTensor) continue;
      known.set(one.name, { type: one.type as StreamType, flat: one.shape.length === 2 });
    }
    const result = await runSession(session, { tokens, rows });
    await session.release();
    for (const name of names) cache.set(name, Float32Array.from(result[name].data as Float32Array));
    return wanted.map(({ tensor }) => cache.get(tensor)!.slice());
  }

  return {
    points,
    prefix,
    async intact() {
      const session = await InferenceSession.create(path, { intraOpNumThreads: 1 });
      // A merged decoder's choice is the one input that the parts do not have.
      const feeds = { use_cache_branch: new Tensor("bool", [false], [1]) };
      const metadata = session.inputMetadata.filter(({ name }) => !(name in feeds)).map((one) =>
        // The builder leaves the size of its heads open; the fixtures have 4.
        one.isTensor && typeof one.shape.at(-1) === "string" && /^past/.test(one.name)
          ? { ...one, shape: one.shape.with(-1, dModel / 4) }
          : one
      );
      const inner = {
        inputMetadata: metadata,
        run: (rest: Record<string, Tensor>) =>
          session.run({ ...rest, ...metadata.length < session.inputNames.length && feeds }, [
            logits,
          ]),
      } as unknown as InferenceSession;
      const result = await runSession(inner, { tokens, rows });
      await session.release();
      return Float32Array.from(result[logits].data as Float32Array);
    },
    async suffix(point, values) {
      const { tensor, stream } = point;
      await prefix([point]);
      const before = stream ? cache.get(stream)!.slice() : undefined;
      const cuts: Cut[] = [{ tensor, input: hookInput, width: dModel, ...known.get(tensor)! }];
      if (stream) {
        cuts.push({ tensor: stream, input: streamInput, width: dModel, ...known.get(stream)! });
      }
      const bytes = modelBytes(suffixModel(model, cuts, logits));
      const session = await createSession(bytes, options);
      const result = await runSession(session, { tokens, rows, hook: values, stream: before });
      await session.release();
      return Float32Array.from(result[logits].data as Float32Array);
    },
  };
}
