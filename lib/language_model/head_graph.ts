import { create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import type { Unembedding } from "./find_unembedding.ts";
import { followGraph, type GraphFlow, producerOf, wholeAttribute } from "./graph_flow.ts";
import { operatorSet } from "./operators.ts";
import { castNode, prune, type StreamType, tensorInfo } from "./split_graph.ts";

/** Input of the head: rows to unembed, float32 [n, d]. */
export const headInput = "saewing_rows";
/** Input: target tokens of each row, int64 [n, t]. */
export const targetsInput = "saewing_targets";
/** Input: rows with the reference predictions p, int64 [q]. */
export const ownInput = "saewing_own";
/** Input: rows with the predictions q that are compared with them, int64 [q]. */
export const otherInput = "saewing_other";
/** Output: −log p of each target in nats, float32 [n, t]. */
export const lossOutput = "saewing_loss";
/** Output: KL(p ‖ q) = Σ p (log p − log q) of each pair of rows in nats, float32 [q]. */
export const divergenceOutput = "saewing_divergence";
/** Output: the logits, float32 [n, vocabulary]. */
export const logitsOutput = "saewing_logits";
/** Output: a direction times the unembedding, float32 [n, vocabulary]. */
export const unembeddedOutput = "saewing_unembedded";

/**
 * The head: the part from the unembedding's input to logits, losses and divergences, as a model that
 * takes rows. A text's positions go through it in blocks, so that no array of
 * [rows, positions, vocabulary] is allocated.
 *
 * @param type Element type of the unembedding's input.
 * @param unembedding Undefined where it was not found; the rows are logits then.
 * @throws {Error} The model's operator set is below 11, which has no GatherElements.
 */
export function headModel(
  model: ModelProto,
  { logits, unembedding, type }: {
    logits: string;
    unembedding: Unembedding | undefined;
    type: StreamType;
  },
): ModelProto {
  const opset = operatorSet(model);
  if (!(opset >= 11)) {
    throw new Error(`cross-entropy needs ONNX operator set 11 or later, the model has ${opset}`);
  }
  const graph = cutAt(model.graph!, unembedding?.input ?? logits, type);
  // LogSoftmax is vectorised in ONNX Runtime: it adds 4 % to the product of Gemma 3's unembedding,
  // ReduceLogSumExp 30 %. Logits in float32 are not cast: the copy would add 7 %.
  const node = [
    ...type === "float32" ? renamed(graph.node, logits, logitsOutput) : [
      ...graph.node,
      operation("Cast", [logits], logitsOutput, "to", TensorProto_DataType.FLOAT),
    ],
    operation("LogSoftmax", [logitsOutput], "saewing_log", "axis", -1),
    operation("GatherElements", ["saewing_log", targetsInput], "saewing_gathered", "axis", -1),
    operation("Neg", ["saewing_gathered"], lossOutput),
    operation("Gather", ["saewing_log", ownInput], "saewing_log_p"),
    operation("Gather", ["saewing_log", otherInput], "saewing_log_q"),
    operation("Sub", ["saewing_log_p", "saewing_log_q"], "saewing_apart"),
    operation("Exp", ["saewing_log_p"], "saewing_p"),
    operation("Mul", ["saewing_p", "saewing_apart"], "saewing_terms"),
    sumOfRows("saewing_terms", divergenceOutput, opset),
  ];
  const { INT64, FLOAT } = TensorProto_DataType;
  return {
    ...model,
    graph: prune({
      ...graph,
      node,
      initializer: [...graph.initializer, lastAxis()],
      input: [
        tensorInfo(headInput, FLOAT, ["saewing_n", "saewing_d"]),
        tensorInfo(targetsInput, INT64, ["saewing_n", "saewing_t"]),
        tensorInfo(ownInput, INT64, ["saewing_q"]),
        tensorInfo(otherInput, INT64, ["saewing_q"]),
      ],
      // The graph's value shapes are [rows, positions, …], which no longer hold.
      valueInfo: [],
      output: [
        tensorInfo(lossOutput, FLOAT, ["saewing_n", "saewing_t"]),
        tensorInfo(divergenceOutput, FLOAT, ["saewing_q"]),
        tensorInfo(logitsOutput, FLOAT, ["saewing_n", "saewing_vocabulary"]),
      ],
    }),
  };
}

/**
 * The unembedding alone, as a model: rows times W_U, without biases and soft caps. Constant factors
 * after the product are applied where there is no soft cap. Quantized weights are dequantized; the
 * rows stay floating-point.
 *
 * @param type Element type of the unembedding's input.
 * @param scale Whether rows are first multiplied by the final norm's scale.
 */
export function unembeddingModel(
  model: ModelProto,
  unembedding: Unembedding,
  { type, scale }: { type: StreamType; scale: boolean },
): ModelProto {
  const { product, after, norm } = unembedding;
  const flow = followGraph(model.graph!);
  const node = [...model.graph!.node];
  const step = (opType: string, input: string[], output: string, name?: string, value?: number) => {
    node.push(operation(opType, input, output, name, value));
    return output;
  };
  const { FLOAT } = TensorProto_DataType;
  let rows = headInput;
  if (scale && norm) {
    rows = step(
      "Mul",
      [rows, step("Cast", [norm.scale], "saewing_scale", "to", FLOAT)],
      "saewing_x",
    );
  }
  let out = "saewing_product";
  if (product.node.opType === "MatMulNBits") {
    // Without accuracy_level rows stay floating-point numbers, and input 5 is a bias.
    const attribute = product.node.attribute.filter(({ name }) => name !== "accuracy_level");
    node.push(castNode(rows, "saewing_cast", type));
    const input = ["saewing_cast", ...product.node.input.slice(1, 5)];
    node.push({ ...product.node, attribute, input, output: [out] });
    out = step("Cast", [out], "saewing_float", "to", FLOAT);
  } else {
    const weight = step("Cast", [floatWeight(flow, unembedding, step)], "saewing_w", "to", FLOAT);
    const transposed = wholeAttribute(product.node, "transB") !== 0;
    const right = transposed ? step("Transpose", [weight], "saewing_w_transposed") : weight;
    step("MatMul", [rows, right], out);
  }
  const capped = after.some(({ opType }) => opType === "Tanh");
  for (const [i, one] of (capped ? [] : after).entries()) {
    const factor = one.input.find((name) => !flow.fromInput.has(name));
    if (!/^(Mul|Div)$/.test(one.opType) || factor === undefined) continue;
    const float = step("Cast", [factor], `saewing_factor${i}`, "to", FLOAT);
    out = step(one.opType, [out, float], `saewing_times${i}`);
  }
  step("Identity", [out], unembeddedOutput);
  const input = [tensorInfo(headInput, FLOAT, ["saewing_n", "saewing_d"])];
  const output = [tensorInfo(unembeddedOutput, FLOAT, ["saewing_n", "saewing_vocabulary"])];
  return { ...model, graph: prune({ ...model.graph!, node, input, output, valueInfo: [] }) };
}

// Weights of an 8-bit product are (q − zero point) · scale. The product is followed by Mul with the
// rows' scale times the weights' scale, in which the latter is found.
function floatWeight(
  flow: GraphFlow,
  { product: { node }, after }: Unembedding,
  step: (opType: string, input: string[], output: string) => string,
): string {
  const [, weight, , zeroPoint = ""] = node.input;
  if (node.opType !== "MatMulInteger") return weight;
  const scales = after.flatMap(({ input }) => input)
    .map((name) => producerOf(flow, name))
    .find((maker) => maker?.opType === "Mul" && !after.includes(maker));
  const scale = scales?.input.find((name) => !flow.fromInput.has(name));
  if (scale === undefined) {
    throw new Error(`the scale of the 8-bit unembedding ${weight} is not found`);
  }
  return step("DequantizeLinear", [weight, scale, zeroPoint], "saewing_dequantised");
}

/** Replaces a tensor by the input `headInput` [n, d]; reshapes after it are dropped. */
function cutAt(graph: GraphProto, tensor: string, type: StreamType): GraphProto {
  const { fromInput } = followGraph(graph);
  const at = graph.node.findIndex(({ output }) => output.includes(tensor));
  if (at < 0) throw new Error(`no node of the graph makes ${tensor}`);
  const before = graph.node.slice(0, at);
  const maker = graph.node[at];
  const rest = { ...maker, output: maker.output.map((name) => name === tensor ? "" : name) };
  const behind = graph.node.slice(at + 1).map((node) =>
    node.opType === "Reshape" && fromInput.has(node.input[0])
      ? operation("Identity", [node.input[0]], node.output[0])
      : node
  );
  return { ...graph, node: [...before, rest, castNode(headInput, tensor, type), ...behind] };
}

function renamed(nodes: NodeProto[], from: string, to: string): NodeProto[] {
  const rename = (names: string[]) => names.map((name) => name === from ? to : name);
  return nodes.map((node) => ({ ...node, input: rename(node.input), output: rename(node.output) }));
}

// ReduceSum takes its axes as an input from operator set 13, as an attribute before.
function sumOfRows(from: string, to: string, opset: number): NodeProto {
  const { INT, INTS } = AttributeProto_AttributeType;
  const keep = create(AttributeProtoSchema, { name: "keepdims", type: INT, i: 0n });
  const axes = create(AttributeProtoSchema, { name: "axes", type: INTS, ints: [1n] });
  return create(NodeProtoSchema, {
    opType: "ReduceSum",
    input: opset < 13 ? [from] : [from, "saewing_last_axis"],
    output: [to],
    attribute: opset < 13 ? [keep, axes] : [keep],
  });
}

function lastAxis(): TensorProto {
  return create(TensorProtoSchema, {
    name: "saewing_last_axis",
    dims: [1n],
    dataType: TensorProto_DataType.INT64,
    int64Data: [1n],
  });
}

function operation(
  opType: string,
  input: string[],
  output: string,
  name?: string,
  value = 0,
): NodeProto {
  const attribute = name === undefined ? [] : [
    create(AttributeProtoSchema, {
      name,
      type: AttributeProto_AttributeType.INT,
      i: BigInt(value),
    }),
  ];
  return create(NodeProtoSchema, { opType, input, output: [output], attribute });
}
