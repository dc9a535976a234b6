import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { DenseStep } from "../device/cpu_stage.ts";
import { openBlocking, Tensor } from "./onnx_runtime.ts";

/**
 * Losses and gradients of ReLU and JumpReLU by dense products, as one ONNX graph. Each worker of the
 * CPU device runs it on one thread, over its share of the samples.
 */
export function createDenseStep(): DenseStep {
  const opened = new Map<boolean, ReturnType<typeof openBlocking>>();
  const open = (jump: boolean) => {
    const model = denseGraph(jump);
    const outputs = model.graph!.output.map(({ name }) => name);
    return openBlocking(toBinary(ModelProtoSchema, model), outputs);
  };
  return ({ x, target, wEnc, bEnc, wDec, theta, rows, ...numbers }) => {
    const m = bEnc.length;
    const d = wEnc.length / m;
    const jump = theta !== undefined;
    const run = opened.get(jump) ?? open(jump);
    opened.set(jump, run);
    const scalar = (value: number) => new Tensor("float32", Float32Array.of(value), []);
    const outputs = run({
      x: new Tensor("float32", x, [rows, d]),
      target: new Tensor("float32", target, [rows, d]),
      wEnc: new Tensor("float32", wEnc, [m, d]),
      bEnc: new Tensor("float32", bEnc, [m]),
      wDec: new Tensor("float32", wDec, [m, d]),
      main: scalar(numbers.main),
      ...theta
        ? { theta: new Tensor("float32", theta, [m]), half: scalar(numbers.half) }
        : { penalty: scalar(numbers.penalty) },
    });
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data }]) => [name, data]),
    ) as unknown as ReturnType<DenseStep>;
  };
}

/**
 * z = relu(x · wEncᵀ + bEnc); f = z where it is above θ (0 for ReLU); residual = target − f · wDec; g = main ·
 * residual · wDecᵀ; delta = g + penalty where f is active. lib/ops/dense_step.ts describes the outputs.
 */
function denseGraph(jump: boolean): ModelProto {
  const nodes: NodeProto[] = [];
  const node = (
    opType: string,
    input: string[],
    output: string,
    integers: Record<string, number> = {},
  ) => {
    const attribute = Object.entries(integers).map(([name, value]) =>
      create(AttributeProtoSchema, {
        name,
        type: AttributeProto_AttributeType.INT,
        i: BigInt(value),
      })
    );
    nodes.push(create(NodeProtoSchema, { opType, input, output: [output], attribute }));
    return output;
  };
  const sum = (of: string, axis: "rows" | "latents", output: string) =>
    node("ReduceSum", [of, axis], output, { keepdims: 0 });
  const number = (of: string, output: string) =>
    node("Cast", [of], output, { to: TensorProto_DataType.FLOAT });

  node("Relu", [node("Gemm", ["x", "wEnc", "bEnc"], "dots", { transB: 1 })], "z");
  node("Greater", ["z", jump ? "theta" : "zero"], "active");
  if (jump) node("Where", ["active", "z", "zero"], "f");
  const f = jump ? "f" : "z";
  node("Sub", ["target", node("MatMul", [f, "wDec"], "decoded")], "residual");
  const dots = node("Gemm", ["residual", "wDec"], "residual dots", { transB: 1 });
  node("Mul", [dots, "main"], "g");
  const own = jump ? "g" : node("Add", ["g", "penalty"], "penalized");
  node("Where", ["active", own, "zero"], "delta");
  node("Mul", [node("Gemm", [f, "residual"], "products", { transA: 1 }), "main"], "decoder");
  node("Gemm", ["delta", "x"], "encoder", { transA: 1 });
  sum("delta", "rows", "encoderBias");
  number("active", "ones");
  sum("ones", "rows", "counts");
  sum(jump ? "ones" : f, "latents", "penalties");
  node("ReduceMin", [node("Where", ["active", f, "huge"], "kept")], "least", { keepdims: 0 });
  if (jump) {
    const distance = node("Abs", [node("Sub", ["z", "theta"], "above")], "distance");
    node("Less", [distance, "half"], "near");
    sum(node("Where", ["near", "g", "zero"], "near gradients"), "rows", "inside");
    sum(number("near", "near ones"), "rows", "samples");
  }
  const { FLOAT, INT64 } = TensorProto_DataType;
  const constant = (name: string, value: number) =>
    create(TensorProtoSchema, { name, dataType: FLOAT, floatData: [value] });
  const axis = (name: string, value: number) =>
    create(TensorProtoSchema, { name, dataType: INT64, dims: [1n], int64Data: [BigInt(value)] });
  const value = (name: string, dimensions: number) =>
    create(ValueInfoProtoSchema, {
      name,
      type: {
        value: {
          case: "tensorType",
          value: {
            elemType: FLOAT,
            shape: {
              dim: Array.from({ length: dimensions }, (_, at) => ({
                value: { case: "dimParam" as const, value: `${name}${at}` },
              })),
            },
          },
        },
      },
    });
  const matrices = ["x", "target", "wEnc", "wDec"].map((name) => value(name, 2));
  const scalars = ["main", ...jump ? ["half"] : ["penalty"]].map((name) => value(name, 0));
  const vectors = ["bEnc", ...jump ? ["theta"] : []].map((name) => value(name, 1));
  const outputs = [
    ...["residual", "decoder", "encoder"].map((name) => value(name, 2)),
    ...["encoderBias", "counts", "penalties"].map((name) => value(name, 1)),
    value("least", 0),
    ...(jump ? ["inside", "samples"] : []).map((name) => value(name, 1)),
  ];
  return create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 13n }],
    graph: {
      name: "dense step",
      node: nodes,
      input: [...matrices, ...vectors, ...scalars],
      output: outputs,
      initializer: [
        ...[constant("zero", 0), constant("huge", 3.4e38)],
        ...[axis("rows", 0), axis("latents", 1)],
      ],
    },
  });
}
