import { create } from "@bufbuild/protobuf";
import { type GraphProto, NodeProtoSchema, TensorProto_DataType } from "onnx-buf";
import type { ValueInfoProto } from "onnx-buf";

// Integers of every decoder that are no token ids.
const others = /mask|position|type_ids|past|cache|^num_|keep|length|seqlens/i;

/**
 * Gives a graph's input of token ids its usual name, `input_ids`: exports that name no inputs call it
 * `input`, `input.1` or `tokens`. Other graphs are returned as they are.
 *
 * @throws Error when the graph takes no token ids, or has several inputs that could be them.
 */
export function withTokenInput(graph: GraphProto): GraphProto {
  const constants = new Set(graph.initializer.map((tensor) => tensor.name));
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const names = inputs.map(({ name }) => name);
  if (names.includes("input_ids")) return graph;
  const embeddings = names.find((name) => /embed/i.test(name));
  if (embeddings !== undefined) {
    throw new Error(
      `the graph takes embeddings (${embeddings}), not token ids: a decoder that takes input_ids ` +
        `is wanted. Exports of models that also see or hear keep the embedding in a file of its own`,
    );
  }
  const found = inputs.filter((input) => isRowsOfIntegers(input) && !others.test(input.name));
  if (found.length !== 1) {
    throw new Error(
      `the graph has no input named input_ids, and ${found.length} of its inputs ` +
        `(${names.join(", ") || "none"}) could be it: one input of token ids, int64 ` +
        `[rows, positions], is wanted`,
    );
  }
  const [tokens] = found;
  const renamed = create(NodeProtoSchema, {
    opType: "Identity",
    input: ["input_ids"],
    output: [tokens.name],
  });
  return {
    ...graph,
    node: [renamed, ...graph.node],
    input: graph.input.map((input) => input === tokens ? { ...tokens, name: "input_ids" } : input),
  };
}

function isRowsOfIntegers({ type }: ValueInfoProto): boolean {
  if (type?.value.case !== "tensorType") return false;
  const { elemType, shape } = type.value.value;
  const integers = elemType === TensorProto_DataType.INT64 ||
    elemType === TensorProto_DataType.INT32;
  return integers && (shape === undefined || shape.dim.length === 2);
}
