import { create } from "@bufbuild/protobuf";
import { type GraphProto, type NodeProto, NodeProtoSchema } from "onnx-buf";
import type { Insertion } from "./branch_points.ts";

/**
 * Adds a tensor to a graph, without changing what the graph computes.
 *
 * @param tensor Name of the new tensor.
 * @param insert How it is computed.
 */
export function insertTensor(graph: GraphProto, tensor: string, insert: Insertion): GraphProto {
  if (graph.node.some(({ output }) => output.includes(tensor))) return graph;
  const node = insert.kind === "normalized"
    ? graph.node.flatMap((one) => one.output[0] === insert.norm ? splitNorm(one, tensor) : [one])
    : withCopy(graph.node, tensor, insert);
  return { ...graph, node };
}

// Norm(x, scale, shift) = Norm(x, 1) · scale + shift. Ones are exp(scale − scale), of scale's type.
function splitNorm(node: NodeProto, tensor: string): NodeProto[] {
  const [x, scale, shift = ""] = node.input;
  const name = (part: string) => `${tensor}_${part}`;
  const scaled = shift === "" ? node.output[0] : name("scaled");
  const parts = [
    operation("Sub", [scale, scale], name("zeros")),
    operation("Exp", [name("zeros")], name("ones")),
    { ...node, input: [x, name("ones")], output: [tensor] },
    operation("Mul", [tensor, scale], scaled),
  ];
  if (shift !== "") parts.push(operation("Add", [scaled, shift], node.output[0]));
  return parts;
}

function withCopy(
  nodes: NodeProto[],
  tensor: string,
  { of, readers }: Extract<Insertion, { kind: "copy" }>,
): NodeProto[] {
  const at = nodes.findIndex(({ output }) => output.includes(of));
  const read = nodes.map((node) =>
    readers.includes(node.output[0])
      ? { ...node, input: node.input.map((name) => name === of ? tensor : name) }
      : node
  );
  read.splice(at + 1, 0, operation("Identity", [of], tensor));
  return read;
}

function operation(opType: string, input: string[], output: string): NodeProto {
  return create(NodeProtoSchema, { opType, input, output: [output] });
}
