import { join } from "node:path";
import { type ModelProto, TensorProto_DataType } from "onnx-buf";
import { hooksOf, withoutNames } from "./choose_hook.ts";
import { findInnerHooks } from "./inner_hooks.ts";
import { readModelConfig } from "./model_config.ts";
import { findModelFiles } from "./model_files.ts";
import { operatorSet } from "./operator_set.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { rotaryWarning } from "./rotary_base.ts";
import { refusedOnCpu } from "./refused_operator.ts";
import { readRegularText } from "./regular_file.ts";
import type { LanguageModelOptions } from "./open_language_model.ts";

/** What a model's file is, and the points at which it can be opened. */
export interface ModelDescription {
  /** Path of the ONNX file. */
  file: string;
  /** Family of the model by config.json, such as `gpt2` or `gemma2`. */
  family: string;
  /** Program that wrote the file, as far as it says. */
  exporter: string;
  /** ONNX operator set. */
  opset: number;
  /** Element types of the weights, that of the most values first. */
  weightTypes: string[];
  /** Number of layers. */
  layers: number;
  /** Width d of the residual stream. */
  dModel: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** The hooks, from the embedding to the last layer's output; then those inside of the layers. */
  hooks: {
    /** TransformerLens name; the tensor's name where it has none. */
    hook: string;
    /** Another TransformerLens name of the same tensor. */
    alias?: string;
    /** Name of the tensor in the ONNX graph. */
    tensor: string;
    /** Rows and positions are any number; of heads, all lie side by side. */
    shape: ["rows", "positions", number];
  }[];
  /**
   * Why hooks have no names, why the file does not run on the CPU, and where it contradicts config.json,
   * if so.
   */
  note?: string;
}

/**
 * Describes a model without running it: its structure is read, its weights are not.
 *
 * @param idOrFolder A folder, an .onnx file or a Hugging Face hub id, which is downloaded once.
 * @param options Where the file is looked for.
 * @throws Error when files are missing or unreadable, or no residual stream is found.
 */
export async function inspectModel(
  idOrFolder: string,
  options: Omit<LanguageModelOptions, "hook" | "device" | "threads"> = {},
): Promise<ModelDescription> {
  const files = await findModelFiles(idOrFolder, {
    ...options,
    dtype: options.dtype ?? "fp32",
    modelFile: options.modelFile ?? "model",
    revision: options.revision ?? "main",
  });
  const configPath = join(files.folder, "config.json");
  const config = readModelConfig(readRegularText(configPath), configPath);
  const onnx = readOnnxGraph(files.onnx);
  const { points, additions } = hooksOf(onnx, config);
  const inner = findInnerHooks(onnx.graph, { points }, config.dModel);
  const { family, layers, dModel, vocabSize, maxContext } = config;
  const notes = [
    points[0].hooks.length === 0 ? withoutNames(additions, layers) : undefined,
    refusedOnCpu(onnx.graph),
    rotaryWarning(onnx, config.rotaryBases),
  ].filter((note) => note !== undefined);
  return {
    file: files.onnx,
    family,
    exporter: exporterOf(onnx.model),
    opset: operatorSet(onnx.model),
    weightTypes: weightTypes(onnx.model),
    layers,
    dModel,
    vocabSize,
    maxContext,
    hooks: [...points, ...inner].map(({ hooks: [hook, alias], tensor, width = dModel }) => ({
      hook: hook ?? tensor,
      ...alias !== undefined && { alias },
      tensor,
      shape: ["rows", "positions", width],
    })),
    ...notes.length > 0 && { note: notes.join("\n") },
  };
}

function exporterOf({ producerName, producerVersion, graph }: ModelProto): string {
  const name = [producerName, producerVersion].filter((text) => text !== "").join(" ");
  // PyTorch's newer exporter names values as the traced program does, without slashes.
  const kind = producerName !== "pytorch"
    ? ""
    : graph!.node.some(({ output }) => output[0]?.startsWith("/"))
    ? " (TorchScript)"
    : " (dynamo)";
  return name === "" ? "unknown" : `${name}${kind}`;
}

function weightTypes({ graph }: ModelProto): string[] {
  const counts = new Map<string, number>();
  for (const { dataType, dims } of graph!.initializer) {
    const size = dims.reduce((product, dim) => product * Number(dim), 1);
    const type = (TensorProto_DataType[dataType] ?? `type ${dataType}`).toLowerCase();
    // Shapes and axes are no weights.
    if (size > 64) counts.set(type, (counts.get(type) ?? 0) + size);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([type]) => type);
}
