import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { ancestors, linkGraph } from "./graph_ancestors.ts";

/** Name of the suffix's input that replaces the hook: float32 [rows, L, width]. */
export const hookInput = "saewing_hook";
/** Name of the suffix's input that replaces the stream that a branch is added to. */
export const streamInput = "saewing_stream";

/** Element type of the residual stream in the graph. */
export type StreamType = "float32" | "float16" | "float64" | "bfloat16";

/**
 * The part of a model from the token ids to `tensors`, which are its only outputs, as a model. Nodes
 * that they do not depend on are removed.
 */
export function prefixModel(model: ModelProto, tensors: string[]): ModelProto {
  const graph = model.graph!;
  // Without a type: ONNX Runtime infers it, and refuses a wrong one.
  const output = tensors.map((name) => create(ValueInfoProtoSchema, { name }));
  return { ...model, graph: prune({ ...graph, output }) };
}

/** A tensor of the graph that becomes an input of the suffix. */
export interface Cut {
  /** Name of the tensor in the graph. */
  tensor: string;
  /** Name of the input that replaces it. */
  input: string;
  /** The tensor's element type, which the input is cast to. */
  type: StreamType;
  /** Length of the tensor's rows. */
  width: number;
  /** Whether the tensor is [rows · L, width] in the graph: OPT's MLPs flatten it. Default false. */
  flat?: boolean;
}

/**
 * The part of a model from the tensors `cuts` to the tensor `to`, its only output. The cuts are
 * inputs; token ids, masks and positions stay inputs where later layers read them.
 *
 * @throws {Error} No node produces one of the tensors.
 */
export function suffixModel(model: ModelProto, cuts: Cut[], to: string): ModelProto {
  const graph = model.graph!;
  const node = graph.node.slice();
  for (const { tensor, input, type, flat } of cuts) {
    const index = graph.node.findIndex(({ output }) => output.includes(tensor));
    if (index < 0) throw new Error(`no node of the graph makes ${tensor}`);
    const { output } = node[index];
    // A split or a dropout has other outputs too.
    const rest = output.length > 1
      ? [{ ...node[index], output: output.map((name) => name === tensor ? "" : name) }]
      : [];
    const made = flat
      ? [castNode(input, `${input}_cast`, type), flatNode(`${input}_cast`, tensor, input)]
      : [castNode(input, tensor, type)];
    node.splice(index, 1, ...rest, ...made);
  }
  // Own dimension names: the graph's would assert equalities that may not hold.
  const dims = ["saewing_rows", "saewing_positions"];
  const input = cuts.map((cut) =>
    tensorInfo(cut.input, TensorProto_DataType.FLOAT, [...dims, cut.width])
  );
  const suffix = prune({
    ...graph,
    node,
    initializer: [...graph.initializer, ...cuts.map(flatShapeTensor)],
    input: [...graph.input, ...input],
    output: [
      graph.output.find(({ name }) => name === to) ?? create(ValueInfoProtoSchema, { name: to }),
    ],
    valueInfo: graph.valueInfo.filter(({ name }) => !cuts.some(({ tensor }) => tensor === name)),
  });
  return { ...model, graph: suffix };
}

/** The serialized bytes of a model. */
export function modelBytes(model: ModelProto): Uint8Array<ArrayBuffer> {
  return toBinary(ModelProtoSchema, model);
}

/** Removes what the graph's outputs do not depend on. */
export function prune(graph: GraphProto): GraphProto {
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

function flatShapeTensor({ input, width }: Cut): TensorProto {
  return create(TensorProtoSchema, {
    name: `${input}_flat_shape`,
    dims: [2n],
    dataType: TensorProto_DataType.INT64,
    int64Data: [-1n, BigInt(width)],
  });
}

function flatNode(from: string, to: string, input: string): NodeProto {
  return create(NodeProtoSchema, {
    opType: "Reshape",
    input: [from, `${input}_flat_shape`],
    output: [to],
  });
}

/** A node that casts a tensor to an element type. */
export function castNode(from: string, to: string, type: StreamType): NodeProto {
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

/** A tensor's name, element type and dimensions; strings are symbolic dimensions. */
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
