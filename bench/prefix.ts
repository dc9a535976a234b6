/**
 * The prefix of a model compared with the whole: tokens per second and resident memory of a decoder of GPT-2
 * small's size with random weights, of its part before layer 8, and of both parts, each in its own process.
 *
 * `deno task bench:prefix [--rows 2] [--length 128]`, on one thread. It writes 650 MB to a temporary folder.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { parseArgs } from "@std/cli";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { findHooks } from "../lib/language_model/find_hooks.ts";
import { readOnnxGraph } from "../lib/language_model/onnx_graph.ts";
import { createSession, runSession } from "../lib/language_model/onnx_session.ts";
import { type Cut, hookInput, modelBytes } from "../lib/language_model/split_graph.ts";
import { prefixModel, suffixModel, tensorInfo } from "../lib/language_model/split_graph.ts";

const [vocabulary, width, layers, heads] = [50257, 768, 12, 12];

const options = parseArgs(Deno.args, { string: ["part", "folder", "rows", "length"] });
const rows = Number(options.rows ?? 2);
const length = Number(options.length ?? 128);
if (options.part) await measure(options.part, options.folder!);
else await compare();

async function compare(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    writeModel(folder);
    const results: Record<string, { tokens: number; memory: number }> = {};
    for (const part of ["whole", "prefix", "both"]) {
      const args = ["run", "-A", import.meta.filename!, "--part", part, "--folder", folder];
      args.push("--rows", `${rows}`, "--length", `${length}`);
      const child = new Deno.Command(Deno.execPath(), { args, stderr: "inherit" });
      results[part] = JSON.parse(new TextDecoder().decode((await child.output()).stdout));
      const { tokens, memory } = results[part];
      console.log(
        `${part.padEnd(7)}${tokens.toFixed(0)} tokens/s, ${memory.toFixed(0)} MB resident`,
      );
    }
    const { whole, prefix, both } = results;
    console.log(
      `the prefix gives ${(prefix.tokens / whole.tokens).toFixed(2)} times the tokens/s in ` +
        `${(prefix.memory / whole.memory).toFixed(2)} of the memory; prefix and suffix together ` +
        `take ${(both.memory / whole.memory).toFixed(2)} of it`,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function measure(part: string, folder: string): Promise<void> {
  const before = Deno.memoryUsage().rss;
  const { model, graph } = readOnnxGraph(`${folder}/model.onnx`);
  const hook = findHooks(graph, layers).points.find(({ hooks }) =>
    hooks.includes("blocks.8.hook_resid_pre")
  )!;
  const outputs = part === "prefix" ? [hook.tensor] : ["logits"];
  const place = { folder, device: "cpu", threads: 1 };
  if (part === "both") outputs[0] = hook.tensor;
  const session = await createSession(modelBytes(prefixModel(model, outputs)), place);
  const cuts: Cut[] = [{ tensor: hook.tensor, width, input: hookInput, type: "float32" }];
  const suffix = part === "both"
    ? await createSession(
      modelBytes(suffixModel(model, cuts, "logits")),
      place,
    )
    : undefined;
  const tokens = Int32Array.from({ length: rows * length }, (_, i) => (i * 7919) % vocabulary);
  const run = async () => {
    const result = await runSession(session, { tokens, rows });
    const stream = result[hook.tensor]?.data as Float32Array;
    if (suffix) await runSession(suffix, { tokens, rows, hook: stream });
  };
  await run();
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  const time = times.sort((a, b) => a - b)[2];
  const memory = (Deno.memoryUsage().rss - before) / 1e6;
  console.log(JSON.stringify({ tokens: 1000 * tokens.length / time, memory }));
}

// GPT-2's shape: layer norms, attention of 12 heads (no mask: it costs nothing here), MLPs four times as wide.
function writeModel(folder: string): void {
  const initializer: TensorProto[] = [];
  const node: NodeProto[] = [];
  using weights = Deno.openSync(`${folder}/model.onnx_data`, { create: true, write: true });
  let offset = 0;
  let seed = 1;

  function weight(name: string, dims: number[], scale = 0.02): string {
    const values = Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return scale * (seed / 2 ** 31 - 1);
    });
    const bytes = new Uint8Array(values.buffer);
    for (let at = 0; at < bytes.length;) at += weights.writeSync(bytes.subarray(at));
    const place = { location: "model.onnx_data", offset: `${offset}`, length: `${bytes.length}` };
    offset += bytes.length;
    initializer.push(create(TensorProtoSchema, {
      name,
      dims: dims.map(BigInt),
      dataType: TensorProto_DataType.FLOAT,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(place).map(([key, value]) =>
        create(StringStringEntryProtoSchema, { key, value })
      ),
    }));
    return name;
  }
  function integers(name: string, values: number[]): string {
    initializer.push(create(TensorProtoSchema, {
      name,
      dims: [BigInt(values.length)],
      dataType: TensorProto_DataType.INT64,
      int64Data: values.map(BigInt),
    }));
    return name;
  }
  function op(
    opType: string,
    input: string[],
    output: string,
    ints: Record<string, number[]> = {},
  ) {
    const attribute = Object.entries(ints).map(([name, values]) =>
      name === "perm"
        ? create(AttributeProtoSchema, {
          name,
          type: AttributeProto_AttributeType.INTS,
          ints: values.map(BigInt),
        })
        : create(AttributeProtoSchema, {
          name,
          type: AttributeProto_AttributeType.INT,
          i: BigInt(values[0]),
        })
    );
    node.push(create(NodeProtoSchema, { opType, input, output: [output], attribute }));
    return output;
  }
  function linear(x: string, name: string, from: number, to: number): string {
    const product = op("MatMul", [x, weight(`${name}.w`, [from, to])], `${name}.product`);
    return op("Add", [product, weight(`${name}.b`, [to])], `${name}.out`);
  }
  function norm(x: string, name: string): string {
    return op(
      "LayerNormalization",
      [x, weight(`${name}.g`, [width]), weight(`${name}.s`, [width])],
      `${name}.out`,
      { axis: [-1] },
    );
  }

  integers("split", [0, 0, heads, width / heads]);
  integers("merge", [0, 0, width]);
  const embedding = weight("embedding", [vocabulary, width]);
  const root = weight("scale", [1], (width / heads) ** -0.5);
  let x = op("Gather", [embedding, "input_ids"], "x0");
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string) => `layers.${layer}.${part}`;
    const normed = norm(x, name("norm1"));
    const [q, k, v] = ["q", "k", "v"].map((part) => {
      const flat = linear(normed, name(part), width, width);
      const split = op("Reshape", [flat, "split"], name(`${part}.split`));
      const perm = part === "k" ? [0, 2, 3, 1] : [0, 2, 1, 3];
      return op("Transpose", [split], name(`${part}.heads`), { perm });
    });
    const scores = op("Mul", [op("MatMul", [q, k], name("qk")), root], name("scores"));
    const mixed = op(
      "MatMul",
      [op("Softmax", [scores], name("weights"), { axis: [-1] }), v],
      name("mixed"),
    );
    const back = op("Transpose", [mixed], name("back"), { perm: [0, 2, 1, 3] });
    const merged = op("Reshape", [back, "merge"], name("merged"));
    x = op("Add", [x, linear(merged, name("o"), width, width)], name("middle"));
    const up = linear(norm(x, name("norm2")), name("up"), width, 4 * width);
    const down = linear(op("Relu", [up], name("act")), name("down"), 4 * width, width);
    x = op("Add", [x, down], name("end"));
  }
  const unembedding = op("Transpose", [embedding], "unembedding", { perm: [1, 0] });
  op("MatMul", [norm(x, "final"), unembedding], "logits");
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: 17n })],
    graph: create(GraphProtoSchema, {
      name: "random",
      node,
      initializer,
      input: [tensorInfo("input_ids", TensorProto_DataType.INT64, ["rows", "positions"])],
      output: [
        tensorInfo("logits", TensorProto_DataType.FLOAT, ["rows", "positions", vocabulary]),
      ],
    }),
  });
  Deno.writeFileSync(`${folder}/model.onnx`, toBinary(ModelProtoSchema, model));
}
