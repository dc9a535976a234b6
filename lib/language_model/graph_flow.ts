import type { GraphProto, NodeProto } from "onnx-buf";
import { type GraphLinks, linkGraph, readsShapeOnly } from "./graph_ancestors.ts";
import { isOwnDomain } from "./operator_set.ts";

/** A graph's links, and which of its tensors depend on the values of its inputs. */
export interface GraphFlow {
  /** The graph. */
  graph: GraphProto;
  /** Who makes and who reads which tensor. */
  links: GraphLinks;
  /** Tensors that depend on the values of the graph's inputs; all others are constants. */
  fromInput: Set<string>;
}

/** A matrix product with constant weights. */
export interface Product {
  /** The node. */
  node: NodeProto;
  /** Its place among the graph's nodes. */
  index: number;
  /** The tensor that is multiplied, [… , width]. */
  data: string;
  /** Length of the rows of `data`; undefined where the weights' shape is not in the file. */
  width: number | undefined;
  /** Length of the rows that it makes; undefined where the weights' shape is not in the file. */
  outWidth: number | undefined;
}

/** Follows the values of a graph. Throws Error when it is malformed. */
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

/** The node that makes a tensor; undefined for inputs and initialisers. */
export function makerOf({ links }: GraphFlow, tensor: string): NodeProto | undefined {
  return links.nodes[links.producer.get(tensor) ?? -1];
}

/** An operator's name with its domain, where that is not ONNX's own. */
export function operatorOf({ domain, opType }: NodeProto): string {
  return isOwnDomain(domain) ? opType : `${domain}.${opType}`;
}

/** Value of a node's whole-number attribute, or 0. */
export function wholeAttribute({ attribute }: NodeProto, name: string): number {
  return Number(attribute.find((one) => one.name === name)?.i ?? 0);
}

const productOperators = new Set(["MatMul", "Gemm", "MatMulInteger", "com.microsoft.MatMulNBits"]);

/** The product that a node is: data times constant weights. Undefined for all other nodes. */
export function productAt(flow: GraphFlow, index: number): Product | undefined {
  const node = flow.links.nodes[index];
  if (!productOperators.has(operatorOf(node))) return undefined;
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

// Weights may be transposed, cast or dequantised in the graph.
function weightDims(flow: GraphFlow, name: string): number[] | undefined {
  const tensor = flow.graph.initializer.find((one) => one.name === name);
  if (tensor) return tensor.dims.map(Number);
  const node = makerOf(flow, name);
  if (!node || !/^(Transpose|Cast|Identity|DequantizeLinear)$/.test(node.opType)) return undefined;
  const dims = weightDims(flow, node.input[0]);
  return node.opType === "Transpose" ? dims?.toReversed() : dims;
}

/**
 * The tensor that a product's operand is made of by rounding to 8 bits, which the exporter put in front
 * of the product; with `reshaped`, also by changes of form.
 */
export function unrounded(flow: GraphFlow, name: string, reshaped = false): string {
  const node = makerOf(flow, name);
  if (!node || !flow.fromInput.has(name)) return name;
  const formed = reshaped && /^(Reshape|Identity)$/.test(node.opType);
  if (formed || node.opType === "DynamicQuantizeLinear") {
    return unrounded(flow, node.input[0], reshaped);
  }
  if (node.opType === "DequantizeLinear") {
    const rounded = makerOf(flow, node.input[0]);
    if (rounded?.opType === "QuantizeLinear") return unrounded(flow, rounded.input[0], reshaped);
  }
  return name;
}
