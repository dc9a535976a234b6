import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  TensorProto_DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { tensorInfo } from "../../lib/language_model/split_graph.ts";

const dModel = 4;

/** Settings of a made model. */
export interface MadeModel {
  opset: number;
  /** Element type of the weights and of the stream. */
  type: "FLOAT" | "FLOAT16";
  /** (x + a) + b in one layer, with the inner sum cast and read nowhere else. */
  parallel: boolean;
  /** Optional inputs that exports have: a cache and the count of logits. */
  extraInputs: boolean;
  /** Size of the vocabulary, default 7. */
  vocabSize?: number;
}

/**
 * Writes a decoder of 2 layers, each x + tanh(x) + tanh(tanh(x)), and unembeds with the embedding's
 * transpose. Returns its embedding, [vocabSize, 4], rounded to the element type.
 */
export function writeMadeModel(folder: string, settings: MadeModel): Float32Array {
  const { opset, type, parallel, extraInputs, vocabSize = 7 } = settings;
  const embedding = Float32Array.from(
    { length: vocabSize * dModel },
    (_, i) => Math.round(64 * Math.sin(i + 1)) / 32,
  );
  const half = type === "FLOAT16";
  const raw = (values: Float32Array) =>
    new Uint8Array((half ? Float16Array.from(values) : values.slice()).buffer);
  const transposed = Float32Array.from(
    { length: embedding.length },
    (_, i) => embedding[(i % vocabSize) * dModel + Math.floor(i / vocabSize)],
  );
  const elemType = TensorProto_DataType[type];
  const initializer = [
    create(TensorProtoSchema, {
      name: "embedding",
      dims: [BigInt(vocabSize), 4n],
      dataType: elemType,
      rawData: raw(embedding),
    }),
    create(TensorProtoSchema, {
      name: "unembedding",
      dims: [4n, BigInt(vocabSize)],
      dataType: elemType,
      rawData: raw(transposed),
    }),
  ];
  const node: NodeProto[] = [op("Gather", ["embedding", "input_ids"], "x0")];
  for (let layer = 0; layer < 2; layer++) {
    const x = `x${layer}`;
    node.push(op("Tanh", [x], `a${layer}`));
    if (parallel) {
      node.push(
        op("Tanh", [`a${layer}`], `b${layer}`),
        op("Add", [x, `a${layer}`], `s${layer}`),
        op("Cast", [`s${layer}`], `c${layer}`, elemType),
        op("Add", [`c${layer}`, `b${layer}`], `x${layer + 1}`),
      );
    } else {
      node.push(
        op("Add", [`a${layer}`, x], `m${layer}`),
        op("Shape", [`m${layer}`], `shape${layer}`),
        op("Tanh", [`a${layer}`], `t${layer}`),
        // Reads the middle of the stream too, times 0: there the residual operand is m.
        op("Sub", [`m${layer}`, `m${layer}`], `z${layer}`),
        op("Add", [`t${layer}`, `z${layer}`], `b${layer}`),
        op("Add", [`m${layer}`, `b${layer}`], `x${layer + 1}`),
      );
    }
  }
  node.push(op("MatMul", ["x2", "unembedding"], "logits"));
  const rowsByPositions = ["batch", "sequence"];
  const input = [tensorInfo("input_ids", TensorProto_DataType.INT64, rowsByPositions)];
  if (extraInputs) {
    input.push(
      tensorInfo("past_key_values.0.key", elemType, ["batch", 2, "past", 4]),
      tensorInfo("num_logits_to_keep", TensorProto_DataType.INT64, []),
    );
    // Sums over the empty cache, added to token ids that are gathered: reads both inputs.
    const zero = op("Size", ["past_key_values.0.key"], "cached");
    node.unshift(
      zero,
      op("Add", ["cached", "num_logits_to_keep"], "nothing"),
      op("Add", ["input_ids", "nothing"], "ids"),
    );
    node[3].input[1] = "ids";
  }
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(opset) })],
    graph: create(GraphProtoSchema, {
      name: "made",
      node,
      initializer,
      input,
      output: [tensorInfo("logits", elemType, [...rowsByPositions, vocabSize])],
    }),
  });
  Deno.mkdirSync(`${folder}/onnx`, { recursive: true });
  Deno.writeFileSync(`${folder}/onnx/model.onnx`, toBinary(ModelProtoSchema, model));
  const config = {
    hidden_size: dModel,
    num_hidden_layers: 2,
    vocab_size: vocabSize,
    bos_token_id: null,
    eos_token_id: 6,
    max_position_embeddings: 16,
  };
  Deno.writeTextFileSync(`${folder}/config.json`, JSON.stringify(config));
  return embedding;
}

function op(opType: string, input: string[], output: string, to?: number): NodeProto {
  const attribute = to === undefined ? [] : [
    create(AttributeProtoSchema, {
      name: "to",
      type: AttributeProto_AttributeType.INT,
      i: BigInt(to),
    }),
  ];
  return create(NodeProtoSchema, { opType, input, output: [output], attribute });
}

/** The made model in float64: the residual stream after each layer and the loss. */
export function madeReference(embedding: Float32Array, tokens: Int32Array) {
  const streams: number[][] = [[], [], []];
  for (const token of tokens) {
    let x = Array.from(embedding.subarray(token * dModel, (token + 1) * dModel));
    streams[0].push(...x);
    for (const stream of streams.slice(1)) {
      x = x.map((value) => value + Math.tanh(value) + Math.tanh(Math.tanh(value)));
      stream.push(...x);
    }
  }
  const loss: number[] = [];
  for (let i = 0; i + 1 < tokens.length; i++) {
    const logits = Array.from({ length: embedding.length / dModel }, (_, word) => {
      let sum = 0;
      for (let c = 0; c < dModel; c++) {
        sum += streams[2][i * dModel + c] * embedding[word * dModel + c];
      }
      return sum;
    });
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    loss.push(Math.log(total) - logits[tokens[i + 1]]);
  }
  return { streams, loss };
}
