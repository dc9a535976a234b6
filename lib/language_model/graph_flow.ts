import type { GraphProto, NodeProto } from "onnx-buf";
import { type GraphLinks, linkGraph, readsShapeOnly } from "./graph_ancestors.ts";
import { operatorName } from "./operators.ts";

/** A graph's edges, and which of its tensors depend on the values of its inputs. */
export interface GraphFlow {
  /** The graph. */
  graph: GraphProto;
  /** Which node produces and which nodes read each tensor. */
  links: GraphLinks;
  /** Tensors that depend on the values of the graph's inputs; all others are constants. */
  fromInput: Set<string>;
}

/** A matrix product with constant weights. */
export interface Product {
  /** The node. */
  node: NodeProto;
  /** Its index among the graph's nodes. */
  index: number;
  /** The tensor that is multiplied by the weights, [… , width]. */
  data: string;
  /** Input width; undefined where the weights' shape is not in the file. */
  width: number | undefined;
  /** Output width; undefined where the weights' shape is not in the file. */
  outWidth: number | undefined;
}

/** Finds edges and input-dependent tensors of a graph. Throws Error as {@linkcode linkGraph} does. */
export function followGraph(graph: GraphProto): GraphFlow {
  const links = linkGraph(graph);
  return { graph, links, fromInput: inputDependent(graph, links) };
}

/** The tensors that depend on the values of a graph's inputs, not only on their shapes. */
export function inputDependent(graph: GraphProto, { nodes, reads }: GraphLinks): Set<string> {
  const constants = new Set(graph.initializer.map((tensor) => tensor.name));
  const found = new Set(
    graph.input.map((input) => input.name).filter((name) => !constants.has(name)),
  );
  nodes.forEach((node, index) => {
    if (readsShapeOnly(node) || !reads[index].some((name) => found.has(name))) return;
    for (const name of node.output) found.add(name);
  });
  return found;
}

/** The node that produces a tensor; undefined for inputs and initializers. */
export function producerOf({ links }: GraphFlow, tensor: string): NodeProto | undefined {
  return links.nodes[links.producer.get(tensor) ?? -1];
}

/** Value of a node's whole-number attribute, or 0. */
export function wholeAttribute({ attribute }: NodeProto, name: string): number {
  return Number(attribute.find((one) => one.name === name)?.i ?? 0);
}

const productOperators = new Set(["MatMul", "Gemm", "MatMulInteger", "com.microsoft.MatMulNBits"]);

/** The node as a product of data and constant weights; undefined for all other nodes. */
export function productAt(flow: GraphFlow, index: number): Product | undefined {
  const node = flow.links.nodes[index];
  if (!productOperators.has(operatorName(node))) return undefined;
  const [data, weight] = node.input;
  if (!flow.fromInput.has(data) || flow.fromInput.has(weight)) return undefined;
  if (wholeAttribute(node, "transA") !== 0) return undefined;
  const [width, outWidth] = productWidths(flow, node);
  return { node, index, data, width, outWidth };
}

function productWidths(flow: GraphFlow, node: NodeProto): (number | undefined)[] {
  if (node.opType === "MatMulNBits") {
    return ["K", "N"].map((name) => wholeAttribute(node, name) || undefined);
  }
  const dims = weightDims(flow, node.input[1]);
  if (dims?.length !== 2) return [undefined, undefined];
  return node.opType === "Gemm" && wholeAttribute(node, "transB") !== 0 ? dims.toReversed() : dims;
}

// Weights may be transposed, cast or dequantized in the graph.
function weightDims(flow: GraphFlow, name: string): number[] | undefined {
  const tensor = flow.graph.initializer.find((one) => one.name === name);
  if (tensor) return tensor.dims.map(Number);
  const node = producerOf(flow, name);
  if (!node || !/^(Transpose|Cast|Identity|DequantizeLinear)$/.test(node.opType)) return undefined;
  const dims = weightDims(flow, node.input[0]);
  return node.opType === "Transpose" ? dims?.toReversed() : dims;
}

/**
 * A product's operand before the exporter's quantization to 8 bits; with `reshaped`, before reshapes
 * too.
 */
export function unquantized(flow: GraphFlow, name: string, reshaped = false): string {
  const node = producerOf(flow, name);
  if (!node || !flow.fromInput.has(name)) return name;
  const formed = reshaped && /^(Reshape|Identity)$/.test(node.opType);
  if (formed || node.opType === "DynamicQuantizeLinear") {
    return unquantized(flow, node.input[0], reshaped);
  }
  if (node.opType === "DequantizeLinear") {
    const rounded = producerOf(flow, node.input[0]);
    if (rounded?.opType === "QuantizeLinear") return unquantized(flow, rounded.input[0], reshaped);
  }
  return name;
}
