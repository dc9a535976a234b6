import { create } from "@bufbuild/protobuf";
import { type GraphProto, type NodeProto, NodeProtoSchema } from "onnx-buf";
import { isOwnDomain } from "./operators.ts";

/**
 * Splits the operators that onnxruntime-genai fuses, so that the residual stream is a chain of `Add`
 * nodes in every graph: a skip-and-normalize operator becomes an addition and a normalization, a sum
 * of several tensors becomes additions of two, and attention loses its cache of keys and values.
 */
export function withPlainOperators(graph: GraphProto): GraphProto {
  const inputs = new Set(graph.input.map(({ name }) => name));
  const node = graph.node.flatMap((one) => {
    const type = isOwnDomain(one.domain) ? one.opType : `${one.domain}.${one.opType}`;
    if (type === "Sum") return additions(one);
    if (/^com\.microsoft\.Skip(Simplified)?LayerNormalization$/.test(type)) return unfuseSkip(one);
    return type in pastInputs ? [withoutCache(one, pastInputs[type], inputs)] : [one];
  });
  return { ...graph, node };
}

// Inputs: x, branch, scale, then shift and bias, or only bias in the simplified form (RMS norm).
// Outputs: normalized, mean, inverse deviation, and the sum x + branch + bias.
function unfuseSkip(node: NodeProto): NodeProto[] {
  const simplified = node.opType === "SkipSimplifiedLayerNormalization";
  const [x, branch, scale] = node.input;
  const shift = simplified ? "" : node.input[3] ?? "";
  const bias = node.input[simplified ? 3 : 4] ?? "";
  const normalised = node.output[0];
  const sum = node.output[3] || `${normalised}_saewing_sum`;
  const added = `${normalised}_saewing_branch`;
  const nodes = [add(x, bias === "" ? branch : added, sum)];
  if (bias !== "") nodes.unshift(add(branch, bias, added));
  nodes.push({
    ...node,
    domain: "",
    opType: simplified ? "SimplifiedLayerNormalization" : "LayerNormalization",
    input: shift === "" ? [sum, scale] : [sum, scale, shift],
    output: [normalised],
  });
  return nodes;
}

// A sum of one tensor is valid ONNX.
function additions({ input, output: [sum] }: NodeProto): NodeProto[] {
  if (input.length === 1) {
    return [create(NodeProtoSchema, { opType: "Identity", input, output: [sum] })];
  }
  const last = input.length - 1;
  const part = (i: number) => i === 0 ? input[0] : i === last ? sum : `${sum}_saewing_part${i}`;
  return input.slice(1).map((name, i) => add(part(i), name, part(i + 1)));
}

function add(a: string, b: string, sum: string): NodeProto {
  return create(NodeProtoSchema, { opType: "Add", input: [a, b], output: [sum] });
}

// Indices of past keys and values among the inputs.
const pastInputs: Record<string, number[]> = {
  "com.microsoft.GroupQueryAttention": [3, 4],
  "com.microsoft.MultiHeadAttention": [6, 7],
  Attention: [4, 5],
};

// Layers that share keys and values read those of another layer as their past: these stay.
// `sliding_window_cache` describes the cache, which is gone; the window is `local_window_size`.
function withoutCache(node: NodeProto, past: number[], inputs: Set<string>): NodeProto {
  const input = node.input.map((name, i) => past.includes(i) && inputs.has(name) ? "" : name);
  const attribute = node.attribute.filter(({ name }) => name !== "sliding_window_cache");
  return { ...node, input, attribute };
}
