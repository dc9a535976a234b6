import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { ancestors, linkGraph } from "./graph_ancestors.ts";

/** Name of the suffix graph's input that takes the place of the hook: float32 [rows, L, dModel]. */
export const hookInput = "saewing_hook";

/** Element type of the residual stream in the graph. */
export type StreamType = "float32" | "float16" | "float64" | "bfloat16";

/**
 * The part of a model that leads from the token ids to the tensor `hook`, its only output, as a
 * model of its own. Nothing that the hook does not depend on is in it.
 */
export function prefixModel(model: ModelProto, hook: string): ModelProto {
  const graph = model.graph!;
  // ONNX Runtime infers the type of an output; a wrong one would be an error.
  const output = [create(ValueInfoProtoSchema, { name: hook })];
  return { ...model, graph: prune({ ...graph, output }) };
}

/**
 * The part of a model that leads from the tensor `hook` to `logits`, its only output. The hook is
 * an input named {@link hookInput}, cast to `streamType`; token ids, masks and positions stay
 * inputs where the later layers read them.
 *
 * @throws Error when no node makes `hook`.
 */
export function suffixModel(
  model: ModelProto,
  hook: string,
  { dModel, streamType, logits = "logits" }: {
    dModel: number;
    streamType: StreamType;
    logits?: string;
  },
): ModelProto {
  const graph = model.graph!;
  const producer = graph.node.findIndex((node) => node.output.includes(hook));
  if (producer < 0) throw new Error(`no node of the graph makes ${hook}`);
  // Dimension names of the hook's own: sharing the graph's would assert equalities it may not hold.
  const input = tensorInfo(hookInput, TensorProto_DataType.FLOAT, [
    "saewing_rows",
    "saewing_positions",
    dModel,
  ]);
  const node = graph.node.slice();
  node[producer] = castNode(hookInput, hook, streamType);
  const suffix = prune({
    ...graph,
    node,
    input: [...graph.input, input],
    output: graph.output.filter((value) => value.name === logits),
    valueInfo: graph.valueInfo.filter((value) => value.name !== hook),
  });
  return { ...model, graph: suffix };
}

/** The bytes of a model, as ONNX Runtime reads them. */
export function modelBytes(model: ModelProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, model);
}

// Keeps what the graph's outputs depend on.
function prune(graph: GraphProto): GraphProto {
  const links = linkGraph(graph);
  const needed = ancestors(links, graph.output.map((output) => output.name));
  const node = graph.node.filter((_, index) => needed[index]);
  const read = new Set(links.reads.filter((_, index) => needed[index]).flat());
  const made = new Set(node.flatMap((one) => one.output));
  return {
    ...graph,
    node,
    initializer: graph.initializer.filter((tensor) => read.has(tensor.name)),
    input: graph.input.filter((value) => read.has(value.name)),
    valueInfo: graph.valueInfo.filter((value) => made.has(value.name)),
  };
}

function castNode(from: string, to: string, type: StreamType): NodeProto {
  const attribute = create(AttributeProtoSchema, {
    name: "to",
    type: AttributeProto_AttributeType.INT,
    i: BigInt(elementTypes[type]),
  });
  return create(NodeProtoSchema, {
    opType: "Cast",
    input: [from],
    output: [to],
    attribute: [attribute],
  });
}

const elementTypes: Record<StreamType, TensorProto_DataType> = {
  float32: TensorProto_DataType.FLOAT,
  float16: TensorProto_DataType.FLOAT16,
  float64: TensorProto_DataType.DOUBLE,
  bfloat16: TensorProto_DataType.BFLOAT16,
};

/** Describes a tensor: its name, element type and dimensions (a string is a symbolic one). */
export function tensorInfo(
  name: string,
  elemType: TensorProto_DataType,
  dims: (string | number)[],
): ValueInfoProto {
  const dim = dims.map((size) =>
    typeof size === "string"
      ? { value: { case: "dimParam" as const, value: size } }
      : { value: { case: "dimValue" as const, value: BigInt(size) } }
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType, shape: { dim } } } },
  });
}
