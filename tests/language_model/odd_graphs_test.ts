import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { resolveHook } from "../../lib/language_model/resolve_hook.ts";
import { findHooks } from "../../lib/language_model/find_hooks.ts";
import { readOnnxGraph } from "../../lib/language_model/onnx_graph.ts";
import { tensorInfo } from "../../lib/language_model/split_graph.ts";
import { loadFixture, maxDifference } from "./fixtures.ts";
import { openHooks } from "./run_hooks.ts";

const layers = 3;
const dModel = 64;
const residual = ["resid_pre", "resid_mid", "resid_post"];

/** Rewrites a fixture without changing what it computes, and checks all of its hooks. */
async function checkRewritten(
  name: "gpt2" | "neox",
  rewrite: (graph: GraphProto) => void,
  { branches, of }: { branches: string[]; of?: (tensor: string) => string },
): Promise<void> {
  const { folder, tokens, rows, values } = loadFixture(name);
  const model = fromBinary(ModelProtoSchema, Deno.readFileSync(`${folder}/onnx/model.onnx`));
  const usual = findHooks(readOnnxGraph(`${folder}/onnx/model.onnx`).graph, layers).points;
  rewrite(model.graph!);
  const other = await Deno.makeTempDir();
  try {
    const path = join(other, "model.onnx");
    await Deno.writeFile(path, toBinary(ModelProtoSchema, model));
    const runner = openHooks(path, { tokens, rows, layers, dModel });
    const { points } = runner;
    const streams = await runner.prefix(points);
    const at = (hook: string) => points.findIndex(({ hooks }) => hooks.includes(hook));
    for (let layer = 0; layer < layers; layer++) {
      for (const place of ["pre", "post"]) {
        const found = streams[at(`blocks.${layer}.hook_resid_${place}`)];
        assert(maxDifference(found, values[`${place}${layer}`]) < 1e-5, `${place}${layer}`);
      }
    }
    const wanted = usual.filter(({ hooks: [hook] }) =>
      [...residual, ...branches].some((place) => hook.endsWith(place))
    );
    assertEquals(points.map(({ hooks }) => hooks), wanted.map(({ hooks }) => hooks));
    if (of) {
      const tensors = (all: typeof points) =>
        all.filter(({ stream }) => !stream).map(({ tensor }) => tensor);
      assertEquals(tensors(points), tensors(wanted).map(of));
    }
    const logits = await runner.intact();
    assert(maxDifference(logits, values.logits) < 1e-5);
    for (const [i, point] of points.entries()) {
      const off = maxDifference(await runner.suffix(point, streams[i]), logits);
      assert(off < 1e-5, `the logits by the suffix of ${point.tensor} are off by ${off}`);
    }
  } finally {
    await Deno.remove(other, { recursive: true });
  }
}

function op(opType: string, input: string[], output: string[], axis?: number): NodeProto {
  const attribute = axis === undefined ? [] : [
    create(AttributeProtoSchema, {
      name: "axis",
      type: AttributeProto_AttributeType.INT,
      i: BigInt(axis),
    }),
  ];
  return create(NodeProtoSchema, { opType, input, output, attribute });
}

function weights(graph: GraphProto, name: string, dims: number[], value: (i: number) => number) {
  const size = dims.reduce((product, dim) => product * dim, 1);
  graph.initializer.push(create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType: TensorProto_DataType.FLOAT,
    rawData: new Uint8Array(Float32Array.from({ length: size }, (_, i) => value(i)).buffer),
  }));
}

const everyBranch = ["attn_out", "mlp_out"];

Deno.test("additions may be written as sums", async () => {
  await checkRewritten("gpt2", (graph) =>
    rewriteAdditions(graph, (addition) => {
      addition.opType = "Sum";
      return {};
    }), { branches: everyBranch, of: (tensor) => tensor });
});

Deno.test("a sum of stream, attention and MLP is a parallel layer", async () => {
  await checkRewritten("neox", (graph) => {
    const made = new Map(graph.node.flatMap((one) => one.output.map((name) => [name, one])));
    for (let layer = 0; layer < layers; layer++) {
      const name = `/gpt_neox/layers.${layer}/Add`;
      const outer = made.get(`${name}_1_output_0`)!;
      outer.opType = "Sum";
      outer.input = outer.input.flatMap((one) =>
        one === `${name}_output_0` ? made.get(one)!.input : [one]
      );
      assertEquals(outer.input.length, 3);
      graph.node.splice(graph.node.indexOf(made.get(`${name}_output_0`)!), 1);
    }
  }, { branches: everyBranch, of: (tensor) => tensor });
});

// Changes the residual additions; gives them nodes before and after.
function rewriteAdditions(
  graph: GraphProto,
  change: (addition: NodeProto, sum: string) => { before?: NodeProto[]; after?: NodeProto[] },
): void {
  for (const sum of residualSums(graph)) {
    const index = graph.node.findIndex(({ output }) => output[0] === sum);
    const addition = graph.node[index];
    const { before = [], after = [] } = change(addition, sum);
    graph.node.splice(index, 1, ...before, addition, ...after);
  }
}

function residualSums(graph: GraphProto): string[] {
  return findHooks(graph, layers).points.slice(1)
    .filter(({ stream }) => !stream).map(({ tensor }) => tensor);
}

Deno.test("a bias that is added last belongs to the stream; the branch has no tensor", async () => {
  await checkRewritten("gpt2", (graph) => {
    weights(graph, "bias", [dModel], () => 0);
    rewriteAdditions(graph, (addition, sum) => {
      addition.output = [`${sum}_unbiased`];
      return { after: [op("Add", [`${sum}_unbiased`, "bias"], [sum])] };
    });
  }, { branches: [], of: (tensor) => tensor });
});

// Two experts that are the MLP, each times its share by a router that reads the stream.
function addExperts(graph: GraphProto, join: (addition: NodeProto, sum: string) => NodeProto[]) {
  weights(graph, "router", [dModel, 2], (i) => Math.sin(i));
  let count = 0;
  rewriteAdditions(graph, (addition, sum) => {
    if (count++ % 2 === 0) return {};
    const stream = addition.input.find((name) => name === previousSum(graph, sum))!;
    const mlp = addition.input.find((name) => name !== stream)!;
    const before = [
      op("MatMul", [stream, "router"], [`${sum}_scores`]),
      op("Softmax", [`${sum}_scores`], [`${sum}_shares`], -1),
      op("Split", [`${sum}_shares`], [`${sum}_share0`, `${sum}_share1`], -1),
      op("Mul", [mlp, `${sum}_share0`], [`${sum}_expert0`]),
      op("Mul", [`${sum}_share1`, mlp], [`${sum}_expert1`]),
    ];
    addition.input = [stream];
    return { before: [...before, ...join(addition, sum)] };
  });
}

function previousSum(graph: GraphProto, sum: string): string {
  const sums = residualSums(graph);
  return sums[sums.indexOf(sum) - 1];
}

Deno.test("two experts of a router are an MLP, where their sum is added", async () => {
  await checkRewritten("gpt2", (graph) =>
    addExperts(graph, (addition, sum) => {
      addition.input = [`${sum}_experts`, addition.input[0]];
      return [op("Add", [`${sum}_expert0`, `${sum}_expert1`], [`${sum}_experts`])];
    }), { branches: everyBranch, of: (tensor) => tensor });
});

Deno.test("experts that are added to the stream one by one have no tensor together", async () => {
  await checkRewritten("gpt2", (graph) =>
    addExperts(graph, (addition, sum) => {
      const [stream] = addition.input;
      addition.input = [`${sum}_first`, `${sum}_expert1`];
      return [op("Add", [stream, `${sum}_expert0`], [`${sum}_first`])];
    }), { branches: ["attn_out"], of: (tensor) => tensor });
});

Deno.test("a stream that is normalised after every addition is said to be none", () => {
  const node: NodeProto[] = [op("Gather", ["embedding", "input_ids"], ["x0"])];
  for (let i = 0; i < 2 * layers; i++) {
    node.push(
      op("Tanh", [`x${i}`], [`branch${i}`]),
      op("Add", [`x${i}`, `branch${i}`], [`sum${i}`]),
      op("LayerNormalization", [`sum${i}`, "scale"], [`x${i + 1}`]),
    );
  }
  node.push(op("MatMul", [`x${2 * layers}`, "unembedding"], ["logits"]));
  const graph = create(GraphProtoSchema, {
    node,
    input: [tensorInfo("input_ids", TensorProto_DataType.INT64, ["rows", "positions"])],
    output: [tensorInfo("logits", TensorProto_DataType.FLOAT, ["rows", "positions", 7])],
  });
  for (const name of ["embedding", "scale", "unembedding"]) {
    graph.initializer.push(create(TensorProtoSchema, { name }));
  }
  const hooks = findHooks(graph, layers);
  const onnx = {
    path: "post.onnx",
    folder: ".",
    model: create(ModelProtoSchema, { graph }),
    graph,
  };
  assertThrows(
    () => resolveHook("blocks.1.hook_resid_pre", hooks, onnx, { layers, dModel: 4 }),
    Error,
    "without names: 1 residual additions are neither one nor two for each of the 3 layers in " +
      "config.json. A model that normalises the stream itself after every addition (OPT-350m",
  );
});
