import type { ModelConfig } from "./model_config.ts";
import type { OnnxGraph } from "./onnx_graph.ts";
import { findResidualStream, type ResidualTensor } from "./residual_stream.ts";

/**
 * Finds a hook by its TransformerLens name or its tensor's name.
 *
 * @throws Error when the graph has no such hook, listing those it has, or no residual stream.
 */
export function chooseHook(
  hook: string,
  { path, graph }: OnnxGraph,
  { layers, dModel }: ModelConfig,
): ResidualTensor {
  let stream: ResidualTensor[];
  try {
    stream = findResidualStream(graph, layers);
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
  const found = stream.find(({ hooks, tensor }) => hooks.includes(hook) || tensor === hook);
  if (found) return found;
  const exists = graph.node.some((node) => node.output.includes(hook));
  const list = stream.map(({ hooks, tensor }) =>
    `  ${[...hooks, tensor].join(" = ")} [rows, positions, ${dModel}]`
  );
  if (stream[0].hooks.length === 0) {
    list.unshift(
      `  (without names: ${
        stream.length - 1
      } residual additions are neither one nor two for each ` +
        `of the ${layers} layers in config.json)`,
    );
  }
  throw new Error(
    `${path}: ${JSON.stringify(hook)} is ` +
      (exists ? "a tensor of the graph but not of the residual stream" : "not a hook") +
      `; the hooks are\n${list.join("\n")}`,
  );
}
