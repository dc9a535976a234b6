import { create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { tensorInfo } from "./split_graph.ts";

/** Name of the input with the token that follows each position: int64 [rows, L, 1]. */
export const targetsInput = "saewing_targets";
/** Name of the output with the loss of each position in nats: float32 [rows, L, 1]. */
export const lossOutput = "saewing_loss";

/**
 * Makes a model return, in place of its logits [rows, L, vocabulary], the cross-entropy of a target
 * token at every position: logsumexp(logits) − logits[target]. The logits, 200 MB for 8 rows of
 * GPT-2, then never leave the runtime.
 *
 * @throws Error below operator set 11, which has no GatherElements.
 */
export function withCrossEntropy(model: ModelProto, logits = "logits"): ModelProto {
  const graph = model.graph!;
  const opset = Number(
    model.opsetImport.find(({ domain }) => /^(ai\.onnx)?$/.test(domain))?.version,
  );
  if (!(opset >= 11)) {
    throw new Error(`cross-entropy needs operator set 11 or later, the model has ${opset}`);
  }
  const axes = "saewing_axes";
  const node = [
    ...graph.node,
    operation("Cast", [logits], "saewing_logits", integer("to", TensorProto_DataType.FLOAT)),
    // The axes of reductions are an attribute up to operator set 17 and an input from 18.
    opset < 18
      ? operation("ReduceLogSumExp", ["saewing_logits"], "saewing_lse", integers("axes", [-1]))
      : operation("ReduceLogSumExp", ["saewing_logits", axes], "saewing_lse"),
    operation(
      "GatherElements",
      ["saewing_logits", targetsInput],
      "saewing_target_logits",
      integer("axis", -1),
    ),
    operation("Sub", ["saewing_lse", "saewing_target_logits"], lossOutput),
  ];
  const initializer = opset < 18 ? graph.initializer : [
    ...graph.initializer,
    create(TensorProtoSchema, {
      name: axes,
      dims: [1n],
      dataType: TensorProto_DataType.INT64,
      int64Data: [-1n],
    }),
  ];
  const dims = ["saewing_rows", "saewing_positions", 1];
  const input = [...graph.input, tensorInfo(targetsInput, TensorProto_DataType.INT64, dims)];
  const output = [tensorInfo(lossOutput, TensorProto_DataType.FLOAT, dims)];
  return { ...model, graph: { ...graph, node, initializer, input, output } };
}

function operation(
  opType: string,
  input: string[],
  output: string,
  ...attribute: ReturnType<typeof integer>[]
): NodeProto {
  return create(NodeProtoSchema, { opType, input, output: [output], attribute });
}

function integer(name: string, value: number) {
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INT,
    i: BigInt(value),
  });
}

function integers(name: string, values: number[]) {
  return create(AttributeProtoSchema, {
    name,
    type: AttributeProto_AttributeType.INTS,
    ints: values.map(BigInt),
  });
}
