import { join } from "node:path";
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from "onnx-buf";
import { openByteWindow } from "./byte_window.ts";
import { chooseHook, hooksOf } from "./choose_hook.ts";
import { isExternal, locationOf } from "./external_data.ts";
import { insertTensor } from "./insert_tensor.ts";
import { readModelConfig } from "./model_config.ts";
import { findModelFiles, type ModelFileOptions } from "./model_files.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { readRegularText } from "./regular_file.ts";
import { modelBytes, prefixModel } from "./split_graph.ts";
import { tokenizerBosToken } from "./tokenizer_bos.ts";

/** A model's layers up to a hook as one file, and what else a page needs to run them. */
export interface PrefixFile {
  /** An ONNX model whose only output is `tensor`, weights included. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The tensor that the hook reads. */
  tensor: string;
  /** Inputs of the model: `input_ids`, `attention_mask` and `position_ids`, those that it has. */
  inputs: { name: string; type: "int32" | "int64" }[];
  /** Token that rows begin with. */
  bosToken: number;
  /** Most tokens of a row. */
  maxContext: number;
  /** Texts of tokenizer.json and tokenizer_config.json. */
  tokenizer: { json: string; config: string };
}

// More is no download for a page, and protobuf ends at 2 GiB.
const MOST_BYTES = 512 * 2 ** 20;

/**
 * Writes a model's layers up to a hook as one file.
 *
 * @param idOrFolder The model's folder or hub id.
 * @throws {Error} The model or its tokenizer is not found, its prefix takes more than 512 MiB or has inputs
 * that are not known, or the hook does not exist.
 */
export async function exportPrefix(
  idOrFolder: string,
  { hook, ...options }: { hook: string } & Partial<ModelFileOptions>,
): Promise<PrefixFile> {
  const files = await findModelFiles(idOrFolder, {
    ...{ dtype: "fp32", modelFile: "model", revision: "main" },
    ...options,
  });
  const configPath = join(files.folder, "config.json");
  const config = readModelConfig(readRegularText(configPath), configPath);
  const onnx = readOnnxGraph(files.onnx);
  const point = chooseHook(hook, hooksOf(onnx, config), onnx, config);
  if (point.insert) {
    onnx.model.graph = insertTensor(onnx.model.graph!, point.tensor, point.insert);
  }
  const model = prefixModel(onnx.model, [point.tensor]);
  const graph = model.graph!;
  const bosToken = config.bosToken ?? tokenizerBosToken(files.folder);
  if (bosToken === undefined) throw new Error(`${configPath} names no token that rows begin with`);
  const inputs = graph.input.map(({ name, type }) => {
    const kind = type?.value.case === "tensorType" ? type.value.value.elemType : undefined;
    if (!/^(input_ids|attention_mask|position_ids)$/.test(name)) {
      throw new Error(`the prefix of ${files.onnx} takes ${name}, which a page has no value for`);
    }
    return { name, type: kind === TensorProto_DataType.INT32 ? "int32" : "int64" } as const;
  });
  inlineWeights(graph.initializer, onnx.folder, files.onnx);
  return {
    ...{ bytes: modelBytes(model), tensor: point.tensor, inputs, bosToken },
    maxContext: config.maxContext,
    tokenizer: {
      json: readRegularText(join(files.folder, "tokenizer.json")),
      config: readRegularText(join(files.folder, "tokenizer_config.json")),
    },
  };
}

/** Puts weights that lie in files into their tensors. */
function inlineWeights(tensors: TensorProto[], folder: string, path: string): void {
  const entry = (tensor: TensorProto, name: string) =>
    tensor.externalData.findLast(({ key }) => key === name)?.value;
  let total = 0;
  for (const tensor of tensors.filter(isExternal)) {
    using file = openByteWindow(join(folder, locationOf(tensor, path)));
    const offset = Number(entry(tensor, "offset") ?? 0);
    // Without a length the tensor goes to the end of its file.
    const length = Number(entry(tensor, "length") ?? file.size - offset);
    total += length;
    if (total > MOST_BYTES) {
      throw new RangeError(
        `the prefix of ${path} has more than ${MOST_BYTES} bytes of weights, which is too much for a page`,
      );
    }
    tensor.rawData = file.bytes(offset, length);
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
    tensor.externalData = [];
  }
}
