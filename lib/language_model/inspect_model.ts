import { join } from "node:path";
import { type ModelProto, TensorProto_DataType } from "onnx-buf";
import { explainUnnamedHooks, readHooks } from "./resolve_hook.ts";
import { findInnerHooks } from "./inner_hooks.ts";
import { readModelConfig } from "./model_config.ts";
import { findModelFiles } from "./model_files.ts";
import { operatorSet, refusedOnCpu } from "./operators.ts";
import { readOnnxGraph } from "./onnx_graph.ts";
import { rotaryWarning } from "./rotary_base.ts";
import { readRegularText } from "./regular_file.ts";
import type { LanguageModelOptions } from "./open_language_model.ts";

/** Description of a model's file, with the hooks at which it can be opened. */
export interface ModelDescription {
  /** Path of the ONNX file. */
  file: string;
  /** Model type in config.json, such as `gpt2` or `gemma2`. */
  family: string;
  /** Program that wrote the file, as its metadata says. */
  exporter: string;
  /** ONNX operator set. */
  opset: number;
  /** Element types of the weights, by number of values, the largest first. */
  weightTypes: string[];
  /** Number of layers. */
  layers: number;
  /** Width d of the residual stream. */
  dModel: number;
  /** Size of the vocabulary. */
  vocabSize: number;
  /** Longest context in tokens. */
  maxContext: number;
  /** The hooks of the residual stream, from the embedding on; then those inside the layers. */
  hooks: {
    /** TransformerLens name; the tensor's name where it has none. */
    hook: string;
    /** Another TransformerLens name of the same tensor. */
    alias?: string;
    /** Name of the tensor in the ONNX graph. */
    tensor: string;
    /** Any number of rows and positions; heads are concatenated. */
    shape: ["rows", "positions", number];
  }[];
  /** Problems: hooks without names, operators that the CPU lacks, contradictions to config.json. */
  note?: string;
}

/**
 * Describes a model without running it. Only its structure is read, not its weights.
 *
 * @param idOrFolder A folder, an .onnx file or a Hugging Face hub id, which is downloaded once.
 * @param options Where to find the file.
 * @throws {Error} Files are missing or unreadable, or no residual stream is found.
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
  const { points, additions } = readHooks(onnx, config);
  const inner = findInnerHooks(onnx.graph, { points }, config.dModel);
  const { family, layers, dModel, vocabSize, maxContext } = config;
  const notes = [
    points[0].hooks.length === 0 ? explainUnnamedHooks(additions, layers) : undefined,
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
  // Of PyTorch's two exporters, TorchScript's names begin with a slash.
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
    // Small initializers are shapes and axes, not weights.
    if (size > 64) counts.set(type, (counts.get(type) ?? 0) + size);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([type]) => type);
}
