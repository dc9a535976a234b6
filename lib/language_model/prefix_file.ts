import { join } from "node:path";
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from "onnx-buf";
import { openByteWindow } from "./byte_window.ts";
import { readHooks, resolveHook } from "./resolve_hook.ts";
import { isExternal, locationOf } from "./external_data.ts";
import { insertTensor } from "./insert_tensor.ts";
import { readModelConfig } from "./model_config.ts";
import { findModelFiles, type ModelFileOptions } from "./model_files.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { readRegularText } from "./regular_file.ts";
import { modelBytes, prefixModel } from "./split_graph.ts";
import { tokenizerBosToken } from "./tokenizer.ts";

/** A model's layers up to a hook as one file, with its tokenizer, for a browser page. */
export interface PrefixFile {
  /** An ONNX model whose only output is `tensor`, weights included. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Name of the hook's tensor. */
  tensor: string;
  /** The model's inputs, of `input_ids`, `attention_mask` and `position_ids`. */
  inputs: { name: string; type: "int32" | "int64" }[];
  /** Id of the token that begins rows. */
  bosToken: number;
  /** Longest row in tokens. */
  maxContext: number;
  /** Contents of tokenizer.json and tokenizer_config.json. */
  tokenizer: { json: string; config: string };
}

// A page should not download more; protobuf's limit is 2 GiB.
const MAX_BYTES = 512 * 2 ** 20;

/**
 * Exports a model's layers up to a hook as one file.
 *
 * @param idOrFolder The model's folder or hub id.
 * @throws {Error} The model or its tokenizer is not found, the prefix is larger than 512 MiB or has
 * unknown inputs, or the hook does not exist.
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
  const point = resolveHook(hook, readHooks(onnx, config), onnx, config);
  if (point.insert) {
    onnx.model.graph = insertTensor(onnx.model.graph!, point.tensor, point.insert);
  }
  const model = prefixModel(onnx.model, [point.tensor]);
  const graph = model.graph!;
  const bosToken = config.bosToken ?? tokenizerBosToken(files.folder);
  if (bosToken === undefined) {
    throw new Error(
      `${configPath} has no bos_token_id or eos_token_id, expected one to begin rows`,
    );
  }
  const inputs = graph.input.map(({ name, type }) => {
    const kind = type?.value.case === "tensorType" ? type.value.value.elemType : undefined;
    if (!/^(input_ids|attention_mask|position_ids)$/.test(name)) {
      throw new Error(
        `the prefix of ${files.onnx} has the input ${name}, expected input_ids, attention_mask or ` +
          `position_ids`,
      );
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

/** Reads external data into its tensors. */
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
    if (total > MAX_BYTES) {
      throw new RangeError(
        `the prefix of ${path} has more than ${MAX_BYTES} bytes of weights, expected at most that ` +
          `for a page`,
      );
    }
    tensor.rawData = file.bytes(offset, length);
    tensor.dataLocation = TensorProto_DataLocation.DEFAULT;
    tensor.externalData = [];
  }
}
