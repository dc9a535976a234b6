import type { GraphProto, NodeProto } from "onnx-buf";
import {
  followGraph,
  type GraphFlow,
  producerOf,
  type Product,
  productAt,
  unquantized,
} from "./graph_flow.ts";
import { operatorName } from "./operators.ts";

/** The last product of a decoder: the normalized stream times the unembedding W_U gives the logits. */
export interface Unembedding {
  /** Input of the product: the stream after the final norm, [rows, L, d] or [rows · L, d]. */
  input: string;
  /** Width d of the input; undefined where the weights' shape is not in the file. */
  width: number | undefined;
  /** The product with the weights. */
  product: Product;
  /** Nodes between the product and the logits, in order. */
  after: NodeProto[];
  /** The final norm's weights; undefined where no norm is found in front of the product. */
  norm: FinalNorm | undefined;
}

/** The norm in front of the unembedding. */
export interface FinalNorm {
  /** Constant tensor [d] that the normalized stream is multiplied by. */
  scale: string;
  /** Whether the norm subtracts the mean over d: LayerNorm does, RMSNorm does not. */
  centred: boolean;
}

/**
 * Finds the unembedding by the graph's structure: from the logits back through casts, biases, scales
 * and soft caps to the product with constant weights. These may be tied to the embedding,
 * transposed or quantized.
 *
 * @param graph The main graph.
 * @param logits Name of the logits output.
 * @returns Undefined where the logits are not made by such a product.
 */
export function findUnembedding(graph: GraphProto, logits: string): Unembedding | undefined {
  const flow = followGraph(graph);
  const found = pathBack(flow, logits);
  if (!found) return undefined;
  const { product, after } = found;
  const input = unquantized(flow, product.data, true);
  return { input, width: product.width, product, after, norm: normBefore(flow, input) };
}

function pathBack(
  flow: GraphFlow,
  name: string,
): { product: Product; after: NodeProto[] } | undefined {
  const index = flow.links.producer.get(name);
  if (index === undefined) return undefined;
  const product = productAt(flow, index);
  if (product) return { product, after: [] };
  const node = flow.links.nodes[index];
  for (const operand of operandsBehind(flow, node)) {
    const found = pathBack(flow, operand);
    if (!found) continue;
    // Two operands that both depend on the input: an 8-bit product and the scale of its rows.
    const several = node.input.filter((one) => flow.fromInput.has(one)).length > 1;
    if (several && /^(Mul|Div|Add|Sub)$/.test(node.opType)) {
      if (node.opType !== "Mul" || found.product.node.opType !== "MatMulInteger") continue;
    }
    return { product: found.product, after: [...found.after, node] };
  }
}

// The operands through which a node between the product and the logits depends on the input.
function operandsBehind(flow: GraphFlow, node: NodeProto): string[] {
  if (/^(Cast|Identity|Dropout|Reshape|Tanh)$/.test(node.opType)) return [node.input[0]];
  if (!/^(Mul|Div|Add|Sub)$/.test(node.opType)) return [];
  return node.input.filter((name) => flow.fromInput.has(name));
}

function normBefore(flow: GraphFlow, input: string): FinalNorm | undefined {
  let node = producerOf(flow, input);
  while (node && /^(Cast|Identity|Reshape|Slice|Gather|Dropout)$/.test(node.opType)) {
    node = producerOf(flow, node.input[0]);
  }
  if (!node) return undefined;
  // The norm's shift is constant: it is not part of a direction's effect.
  if (node.opType === "Add") {
    const scaled = node.input.find((name) => flow.fromInput.has(name));
    node = scaled === undefined ? undefined : producerOf(flow, scaled);
  }
  if (!node) return undefined;
  if (/^(LayerNormalization|SimplifiedLayerNormalization|RMSNormalization)$/.test(node.opType)) {
    return { scale: node.input[1], centred: node.opType === "LayerNormalization" };
  }
  if (node.opType !== "Mul") return undefined;
  const scale = node.input.find((name) => !flow.fromInput.has(name));
  const normalized = node.input.find((name) => flow.fromInput.has(name));
  if (scale === undefined || normalized === undefined) return undefined;
  const centred = isCentred(flow, normalized);
  return centred === undefined ? undefined : { scale, centred };
}

/** Whether x in x / √(mean of squares) has its mean subtracted; undefined for other expressions. */
function isCentred(flow: GraphFlow, name: string): boolean | undefined {
  let node = producerOf(flow, name);
  while (node?.opType === "Cast") node = producerOf(flow, node.input[0]);
  if (!node || !/^(Mul|Div)$/.test(node.opType)) return undefined;
  const operators = node.input.map((one) => {
    let maker = producerOf(flow, one);
    while (maker?.opType === "Cast") maker = producerOf(flow, maker.input[0]);
    return maker === undefined ? "" : operatorName(maker);
  });
  // The other operand is the (inverse of the) root of the mean square.
  return operators.some((one) => /^(Sqrt|Div|Reciprocal|Pow)$/.test(one))
    ? operators.includes("Sub")
    : undefined;
}
