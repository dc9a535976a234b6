import { create } from "@bufbuild/protobuf";
import { type GraphProto, NodeProtoSchema } from "onnx-buf";

/**
 * Replaces the `If` of a merged decoder by its branch without cached keys and values: Optimum joins
 * both decoders into one `If` on the input `use_cache_branch`. Other graphs are returned unchanged.
 */
export function withoutCacheBranch(graph: GraphProto): GraphProto {
  const index = graph.node.findIndex((node) =>
    node.opType === "If" && node.input[0] === "use_cache_branch"
  );
  if (index < 0) return graph;
  const choice = graph.node[index];
  const branch = choice.attribute.find((attribute) => attribute.name === "else_branch")?.g;
  if (!branch || branch.output.length !== choice.output.length) return graph;
  // ONNX forbids a branch to reuse names of the graph around it: only outputs need renaming, and
  // Optimum gives them the same name inside and outside.
  const outputs = branch.output.flatMap(({ name }, i) =>
    name === choice.output[i] ? [] : [
      create(NodeProtoSchema, {
        opType: "Identity",
        input: [name],
        output: [choice.output[i]],
      }),
    ]
  );
  return {
    ...graph,
    node: [
      ...graph.node.slice(0, index),
      ...branch.node,
      ...outputs,
      ...graph.node.slice(index + 1),
    ],
    initializer: [...graph.initializer, ...branch.initializer],
    valueInfo: [...graph.valueInfo, ...branch.valueInfo],
  };
}
