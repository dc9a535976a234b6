import type { GraphProto } from "onnx-buf";
import { attentionPoints, mlpPoints } from "./branch_points.ts";
import type { HookPoint, Hooks } from "./find_hooks.ts";
import { ancestors } from "./graph_ancestors.ts";
import { followGraph, type GraphFlow, producerOf } from "./graph_flow.ts";

/**
 * Finds the hooks inside attention and MLPs, and the token embedding, by the graph's structure. Hooks
 * that are not found are left out; docs/models.md lists which exports have which.
 *
 * @param graph The main graph.
 * @param hooks Its hooks of the residual stream and of the branches.
 * @param dModel Width of the residual stream.
 */
export function findInnerHooks(
  graph: GraphProto,
  { points }: Pick<Hooks, "points">,
  dModel: number,
): HookPoint[] {
  const flow = followGraph(graph);
  const found: HookPoint[] = [];
  const embedding = points[0].hooks.length > 0 ? embeddingOf(flow, points[0].tensor) : undefined;
  if (embedding !== undefined) found.push({ tensor: embedding, hooks: ["hook_embed"] });
  for (const { tensor, hooks: [hook], stream: before } of points) {
    const [, layer, kind] = /^blocks\.(\d+)\.hook_(attn|mlp)_out$/.exec(hook ?? "") ?? [];
    if (before === undefined || layer === undefined) continue;
    const attention = points.find(({ hooks }) => hooks.includes(`blocks.${layer}.hook_attn_out`));
    const parallel = kind === "mlp" && attention?.stream === before;
    const branch = { tensor, before, dModel, ...parallel && { other: attention.tensor } };
    const inner = kind === "attn" ? attentionPoints(flow, branch) : mlpPoints(flow, branch);
    for (const { name, ...point } of inner) {
      found.push({ ...point, hooks: [`blocks.${layer}.${name}`], stream: before });
    }
  }
  return found;
}

// The start of the stream, or where position embeddings are added, the operand with the tokens'.
function embeddingOf(flow: GraphFlow, start: string): string | undefined {
  let node = producerOf(flow, start);
  while (node && /^(Cast|Identity|Dropout)$/.test(node.opType)) {
    node = producerOf(flow, node.input[0]);
  }
  if (node?.opType !== "Add") return isGathered(flow, start) ? start : undefined;
  const tokens = node.input.filter((name) => isGathered(flow, name) && readsTokens(flow, name));
  return tokens.length === 1 ? tokens[0] : undefined;
}

/** Whether a tensor is rows of a constant table, up to a constant factor. */
function isGathered(flow: GraphFlow, name: string): boolean {
  const node = producerOf(flow, name);
  if (node?.opType === "Gather") return !flow.fromInput.has(node.input[0]);
  if (!node || !/^(Cast|Identity|Dropout|Mul|DequantizeLinear)$/.test(node.opType)) return false;
  const data = node.input.filter((one) => flow.fromInput.has(one));
  return data.length === 1 && isGathered(flow, data[0]);
}

function readsTokens(flow: GraphFlow, name: string): boolean {
  const { links } = flow;
  const inside = ancestors(links, [name], { valuesOnly: true });
  return links.reads.some((reads, index) => inside[index] && reads.includes("input_ids"));
}
