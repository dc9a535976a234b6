import { create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
} from "onnx-buf";
import { operatorSet } from "./operator_set.ts";
import { tensorInfo } from "./split_graph.ts";

/** Name of the input with the token that follows each position: int64 [rows, L, 1]. */
export const targetsInput = "saewing_targets";
/** Name of the output with the loss of each position in nats: float32 [rows, L, 1]. */
export const lossOutput = "saewing_loss";

/**
 * Makes a model return, in place of its logits [rows, L, vocabulary], the cross-entropy of a target
 * token at every position: logsumexp(logits) − logits[target]. The logits, 26 MB for a row of 128
 * tokens of GPT-2, then never leave the runtime.
 *
 * @throws Error below operator set 11, which has no GatherElements.
 */
export function withCrossEntropy(model: ModelProto, logits: string): ModelProto {
  const graph = model.graph!;
  const opset = operatorSet(model);
  if (!(opset >= 11)) {
    throw new Error(`cross-entropy needs operator set 11 or later, the model has ${opset}`);
  }
  // LogSoftmax is vectorised in ONNX Runtime: tiny-gpt2's loss took 1.4 times as long with
  // ReduceLogSumExp, whose axes moreover became an input with operator set 18.
  const node = [
    ...graph.node,
    operation("Cast", [logits], "saewing_logits", "to", TensorProto_DataType.FLOAT),
    operation("LogSoftmax", ["saewing_logits"], "saewing_log_softmax", "axis", -1),
    operation(
      "GatherElements",
      ["saewing_log_softmax", targetsInput],
      "saewing_log_probability",
      "axis",
      -1,
    ),
    operation("Neg", ["saewing_log_probability"], lossOutput),
  ];
  const dims = ["saewing_rows", "saewing_positions", 1];
  const input = [...graph.input, tensorInfo(targetsInput, TensorProto_DataType.INT64, dims)];
  const output = [tensorInfo(lossOutput, TensorProto_DataType.FLOAT, dims)];
  return { ...model, graph: { ...graph, node, input, output } };
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
