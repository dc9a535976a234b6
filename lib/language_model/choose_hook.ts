import { findHooks, type HookPoint, type Hooks } from "./find_hooks.ts";
import { hookNames } from "./hook_names.ts";
import { findInnerHooks } from "./inner_hooks.ts";
import type { ModelConfig } from "./model_config.ts";
import type { OnnxGraph } from "./onnx_graph.ts";

/** The hooks of a model's file. Throws Error naming the file when it has none. */
export function hooksOf(
  { path, graph, model }: OnnxGraph,
  { layers }: Pick<ModelConfig, "layers">,
): Hooks {
  try {
    return findHooks(graph, layers);
  } catch (error) {
    const functions = model.functions.length > 0
      ? "; the graph is made of functions: export it with them inlined"
      : "";
    throw new Error(`${path}: ${(error as Error).message}${functions}`);
  }
}

/**
 * Finds a hook by its TransformerLens name, another library's name, or its tensor's name.
 *
 * @throws Error when the graph has no such hook, listing those it has.
 */
export function chooseHook(
  hook: string,
  { points, additions }: Hooks,
  { path, graph }: OnnxGraph,
  { layers, dModel }: Pick<ModelConfig, "layers" | "dModel">,
): HookPoint {
  const names = hookNames(hook);
  const find = (among: HookPoint[]): HookPoint | undefined =>
    names.map((name) => among.find(({ hooks }) => hooks.includes(name)))
      .find((one) => one !== undefined) ?? among.find(({ tensor }) => tensor === hook);
  const onStream = find(points);
  if (onStream) return onStream;
  const inner = findInnerHooks(graph, { points }, dModel);
  const found = find(inner);
  if (found) return found;
  const exists = graph.node.some((node) => node.output.includes(hook));
  const list = points.map(({ hooks, tensor }) =>
    `  ${[...hooks, tensor].join(" = ")} [rows, positions, ${dModel}]`
  );
  const others = new Set(inner.flatMap(({ hooks }) => hooks.map((one) => one.replace(/\d+/, "L"))));
  if (others.size > 0) list.push(`  and inside of the layers ${[...others].join(", ")}`);
  if (points[0].hooks.length === 0) list.unshift(`  (${withoutNames(additions, layers)})`);
  throw new Error(
    `${path}: ${JSON.stringify(hook)} is ` +
      (exists ? "a tensor of the graph but not of the residual stream" : "not a hook") +
      `; the hooks are\n${list.join("\n")}`,
  );
}

/** Why the points of a residual stream have no names. */
export function withoutNames(additions: number, layers: number): string {
  const text =
    `without names: ${additions} residual additions are neither one nor two for each of ` +
    `the ${layers} layers in config.json`;
  return additions >= layers ? text : `${text}. A model that normalises the stream itself after ` +
    `every addition (OPT-350m, GPT-1) has no stream that runs through its layers, and cannot be ` +
    `hooked by layer; take one that normalises before attention and MLP`;
}
