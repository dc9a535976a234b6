import { create } from "@bufbuild/protobuf";
import { type GraphProto, NodeProtoSchema, TensorProto_DataType } from "onnx-buf";
import type { ValueInfoProto } from "onnx-buf";

// Integer inputs of decoders other than token ids.
const others = /mask|position|type_ids|past|cache|^num_|keep|length|seqlens/i;

/**
 * Renames a graph's input of token ids to `input_ids`: exports without names for inputs call it
 * `input`, `input.1` or `tokens`.
 *
 * @throws {Error} The graph has no input of token ids, or several inputs that could be it.
 */
export function withTokenInput(graph: GraphProto): GraphProto {
  const constants = new Set(graph.initializer.map((tensor) => tensor.name));
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const names = inputs.map(({ name }) => name);
  if (names.includes("input_ids")) return graph;
  const embeddings = names.find((name) => /embed/i.test(name));
  if (embeddings !== undefined) {
    throw new Error(
      `the graph takes embeddings (${embeddings}), expected a decoder that takes token ids ` +
        `(input_ids). Exports of multimodal models have the embedding in a separate file`,
    );
  }
  const found = inputs.filter((input) => isRowsOfIntegers(input) && !others.test(input.name));
  if (found.length !== 1) {
    throw new Error(
      `the graph has no input named input_ids, and ${found.length} of its inputs ` +
        `(${names.join(", ") || "none"}) could be it, expected one input of token ids, int64 ` +
        `[rows, positions]`,
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
