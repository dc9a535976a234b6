import { create, toBinary } from "@bufbuild/protobuf";
import {
  ModelProtoSchema,
  TensorProto_DataType,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import type { IntegerProduct } from "../device/cpu_stage.ts";
import { openBlocking, Tensor } from "./onnx_runtime.ts";

/**
 * ONNX Runtime's product of 8-bit matrices (MatMulInteger), on one thread: each worker of the CPU
 * device creates one. On processors without 8-bit dot products (VNNI) its sums of two products can
 * saturate at 16 bits; where a test product shows that, one factor has 7 bits.
 */
export function createIntegerProduct(): IntegerProduct {
  const run = openBlocking(integerModel(), ["y"]);
  const product = (bits: 7 | 8): IntegerProduct => {
    const zero = 2 ** (bits - 1);
    const zeroPoint = new Tensor("uint8", Uint8Array.of(zero), []);
    return {
      bits,
      zero,
      multiply(a, b, { rows, inner, cols }) {
        const { y } = run({
          a: new Tensor("uint8", a, [rows, inner]),
          b: new Tensor("int8", b, [inner, cols]),
          zero: zeroPoint,
        });
        return y.data as Int32Array;
      },
    };
  };
  // Rows as long as the widest vector register (64 bytes), with the largest possible sums.
  const a = new Uint8Array(64 * 64).fill(255);
  const b = new Int8Array(64 * 64).fill(127);
  const exact = product(8);
  const sums = exact.multiply(a, b, { rows: 64, inner: 64, cols: 64 });
  return sums.every((sum) => sum === 64 * 127 * 127) ? exact : product(7);
}

/** y = (a − zero) · b. */
function integerModel(): Uint8Array {
  const { UINT8, INT8, INT32 } = TensorProto_DataType;
  const graph = {
    name: "integer product",
    node: [{ opType: "MatMulInteger", input: ["a", "b", "zero"], output: ["y"] }],
    input: [value("a", UINT8, 2), value("b", INT8, 2), value("zero", UINT8, 0)],
    output: [value("y", INT32, 2)],
  };
  const opsetImport = [{ domain: "", version: 13n }];
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { irVersion: 8n, graph, opsetImport }),
  );
}

function value(name: string, elemType: TensorProto_DataType, dimensions: number): ValueInfoProto {
  const dim = Array.from({ length: dimensions }, (_, at) => ({
    value: { case: "dimParam" as const, value: `${name}${at}` },
  }));
  const type = { value: { case: "tensorType" as const, value: { elemType, shape: { dim } } } };
  return create(ValueInfoProtoSchema, { name, type });
}
