import type { GraphProto } from "onnx-buf";
import type { Insertion } from "./branch_points.ts";
import { findResidualStream } from "./residual_stream.ts";

/** A tensor of a decoder that can be read and replaced (a hook point). */
export interface HookPoint {
  /** Name of the tensor in the ONNX graph. */
  tensor: string;
  /**
   * TransformerLens names of the point, the preferred one first: `blocks.2.hook_resid_pre` is also
   * `blocks.1.hook_resid_post`. Empty where the number of additions does not fit the layer count.
   */
  hooks: string[];
  /** For a branch (attention, MLP) and points inside it: the stream's tensor that it is added to. */
  stream?: string;
  /** Length of the tensor's rows, default the width of the residual stream. */
  width?: number;
  /** How the tensor is added to the graph, where the file does not have it. */
  insert?: Insertion;
}

/** The hooks of a decoder. */
export interface Hooks {
  /** The points of the residual stream and its branches, from the embedding to the last layer's output. */
  points: HookPoint[];
  /** Number K of additions to the residual stream. */
  additions: number;
  /** Name of the graph's logits output. */
  logits: string;
}

/**
 * Finds the hooks of a decoder by the graph's structure: the residual stream r_0 … r_K, and the
 * branches added to it. With N layers, K = 2N gives resid_pre, attn_out, resid_mid, mlp_out and resid_post;
 * K = N (attention and MLP in parallel) has no resid_mid.
 *
 * @param graph The main graph.
 * @param layers Number of layers N.
 * @throws {Error} The graph has no logits or no residual stream, or is malformed.
 */
export function findHooks(graph: GraphProto, layers: number): Hooks {
  const logits = logitsOutput(graph);
  const { start, additions, mixesPositions } = findResidualStream(graph, logits);
  const perLayer = additions.length / layers;
  const named = perLayer === 1 || perLayer === 2;
  const points: HookPoint[] = [];
  const residual = (tensor: string, index: number) =>
    points.push({ tensor, hooks: named ? residualNames(index, perLayer, layers) : [] });
  residual(start, 0);
  additions.forEach(({ before, after, branches, summands }, index) => {
    const layer = Math.floor(index / perLayer);
    const branch = (tensor: string, name: string) =>
      points.push({ tensor, hooks: [`blocks.${layer}.hook_${name}`], stream: before });
    if (perLayer === 2 && branches.length === 1) {
      branch(branches[0], index % 2 === 0 ? "attn_out" : "mlp_out");
    } else if (perLayer === 1 && summands.length === 2) {
      const attention = summands.filter((tensor) => mixesPositions(tensor, before));
      if (attention.length === 1) {
        branch(attention[0], "attn_out");
        branch(summands.find((tensor) => tensor !== attention[0])!, "mlp_out");
      }
    }
    residual(after, index + 1);
  });
  return { points, additions: additions.length, logits };
}

function residualNames(index: number, perLayer: number, layers: number): string[] {
  const layer = Math.floor(index / perLayer);
  if (index % perLayer === 1) return [`blocks.${layer}.hook_resid_mid`];
  const names = layer < layers ? [`blocks.${layer}.hook_resid_pre`] : [];
  if (layer > 0) names.push(`blocks.${layer - 1}.hook_resid_post`);
  return names;
}

function logitsOutput({ output }: GraphProto): string {
  const names = output.map(({ name }) => name);
  const found = names.find((name) => name === "logits") ??
    names.find((name) => /logits/i.test(name)) ??
    // In exports with unnamed outputs the logits come first; key-value caches have names.
    names.find((name) => /^(output|out|\d+)(_?0)?$/i.test(name) || names.length === 1);
  if (found !== undefined && !/hidden_state|embed|^present|^encoder/i.test(found)) return found;
  throw new Error(
    `the graph has no output of logits (its outputs are ${names.slice(0, 4).join(", ")}` +
      `${names.length > 4 ? ", …" : ""}), expected a decoder with its language-modelling head`,
  );
}
