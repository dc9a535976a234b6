import { findHooks, type HookPoint, type Hooks } from "./find_hooks.ts";
import { findInnerHooks } from "./inner_hooks.ts";
import type { ModelConfig } from "./model_config.ts";
import type { OnnxGraph } from "./onnx_graph.ts";

/**
 * The hooks of a model's graph.
 *
 * @throws {Error} The graph has no logits or no residual stream; the message names the file.
 */
export function readHooks(
  { path, graph, model }: OnnxGraph,
  { layers }: Pick<ModelConfig, "layers">,
): Hooks {
  try {
    return findHooks(graph, layers);
  } catch (error) {
    const functions = model.functions.length > 0
      ? "; the graph consists of ONNX functions: export it with the functions inlined"
      : "";
    throw new Error(`${path}: ${(error as Error).message}${functions}`);
  }
}

/**
 * Finds a hook by its TransformerLens name, another library's name, or its tensor's name.
 *
 * @throws {Error} The graph has no such hook; the message lists those that it has.
 */
export function resolveHook(
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
  if (others.size > 0) list.push(`  and inside layers ${[...others].join(", ")}`);
  if (points[0].hooks.length === 0) list.unshift(`  (${explainUnnamedHooks(additions, layers)})`);
  throw new Error(
    `${path}: ${JSON.stringify(hook)} is ` +
      (exists ? "a tensor of the graph but not of the residual stream" : "not a hook") +
      `; the hooks are\n${list.join("\n")}`,
  );
}

/** Why the points of a residual stream have no TransformerLens names. */
export function explainUnnamedHooks(additions: number, layers: number): string {
  const text =
    `without names: ${additions} residual additions are neither one nor two for each of ` +
    `the ${layers} layers in config.json`;
  return additions >= layers ? text : `${text}. A model that normalises the stream itself after ` +
    `every addition (OPT-350m, GPT-1) has no stream that runs through its layers, and cannot be ` +
    `hooked by layer; take one that normalises before attention and MLP`;
}

// Module names in Hugging Face's models: a layer's name stands for its output.
const layer =
  /^(?:transformer\.h|transformer\.blocks|gpt_neox\.layers|model\.(?:decoder\.|language_model\.)?layers)\.(\d+)(?:\.output)?$/;
const embedding =
  /^(?:transformer\.wte|gpt_neox\.embed_in|model\.(?:decoder\.|language_model\.)?embed_tokens|embed\.hook_out)$/;

// TransformerBridge's names (TransformerLens 3), and the older names for the same points.
const bridge: Record<string, string> = {
  "hook_in": "hook_resid_pre",
  "hook_out": "hook_resid_post",
  "ln1.hook_in": "hook_resid_pre",
  "ln2.hook_in": "hook_resid_mid",
  "attn.hook_out": "hook_attn_out",
  "mlp.hook_out": "hook_mlp_out",
  "attn.o.hook_in": "attn.hook_z",
  "mlp.out.hook_in": "mlp.hook_post",
  "mlp.gate.hook_out": "mlp.hook_pre",
};

/**
 * The TransformerLens names that a hook name may stand for, in order of preference; the name itself
 * where it is neither TransformerBridge's nor a module's.
 */
function hookNames(hook: string): string[] {
  const module = layer.exec(hook);
  if (module) return [`blocks.${module[1]}.hook_resid_post`];
  if (embedding.test(hook)) return ["hook_embed"];
  const [, number, rest] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? [];
  if (rest === undefined) return [hook];
  const of = (names: string[]) => names.map((name) => `blocks.${number}.${name}`);
  // In gated MLPs: the product that does not go through the nonlinearity.
  if (rest === "mlp.in.hook_out") return of(["mlp.hook_pre_linear", "mlp.hook_pre"]);
  return rest in bridge ? of([bridge[rest]]) : [hook];
}
