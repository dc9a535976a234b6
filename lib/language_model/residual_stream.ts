import type { GraphProto } from "onnx-buf";
import { ancestors, type GraphLinks, linkGraph, readsShapeOnly } from "./graph_ancestors.ts";

/** A point of the residual stream. */
export interface ResidualTensor {
  /** Name of the tensor in the ONNX graph. */
  tensor: string;
  /**
   * TransformerLens names of the point, first the preferred one: `blocks.2.hook_resid_pre` is also
   * `blocks.1.hook_resid_post`. Empty where the stream's length does not fit the layer count.
   */
  hooks: string[];
}

/**
 * Finds the residual stream r_0 … r_K of a decoder by the graph's structure, from the embedding to
 * the last block. A residual addition is one of whose operands the other depends on; the chain of
 * those is walked back from the last one before the logits. With N layers, K = 2N gives
 * resid_pre, resid_mid and resid_post, K = N (parallel attention and MLP) has no resid_mid.
 *
 * @param graph The main graph.
 * @param layers Number of layers N.
 * @param logits Name of the output tensor that the stream leads to.
 * @throws Error when the graph has no residual stream, or is malformed.
 */
export function findResidualStream(
  graph: GraphProto,
  layers: number,
  logits = "logits",
): ResidualTensor[] {
  const links = linkGraph(graph);
  const chain = residualChain(graph, links, logits);
  return chain.map((tensor, index) => ({ tensor, hooks: hookNames(index, chain.length, layers) }));
}

function hookNames(index: number, length: number, layers: number): string[] {
  const additions = length - 1;
  const perLayer = additions / layers;
  if (perLayer !== 1 && perLayer !== 2) return [];
  const layer = Math.floor(index / perLayer);
  if (index % perLayer === 1) return [`blocks.${layer}.hook_resid_mid`];
  const names = index < additions ? [`blocks.${layer}.hook_resid_pre`] : [];
  if (layer > 0) names.push(`blocks.${layer - 1}.hook_resid_post`);
  return names;
}

function residualChain(graph: GraphProto, links: GraphLinks, logits: string): string[] {
  const residual = residualOperands(graph, links);
  const beforeLogits = ancestors(links, [logits], { valuesOnly: true });
  let last = links.nodes.length - 1;
  while (last >= 0 && !(beforeLogits[last] && residual(last))) last--;
  if (last < 0) {
    const branches = graph.node.some((node) => node.opType === "If");
    throw new Error(
      `no residual additions lead to ${logits}` +
        (branches ? "; the graph has branches (If), a file without them may have" : ""),
    );
  }
  const chain = [links.nodes[last].output[0]];
  for (let at = last;;) {
    const operand = residual(at);
    if (operand === undefined) return chain.reverse();
    chain.push(operand);
    const producer = links.producer.get(operand);
    if (producer === undefined) return chain.reverse();
    at = producer;
  }
}

// Gives, for the index of a node, the operand that carries the stream through it, or undefined
// where the node is not a residual addition.
function residualOperands(
  graph: GraphProto,
  links: GraphLinks,
): (index: number) => string | undefined {
  const { nodes, producer, reads } = links;
  const constants = new Set(graph.initializer.map((tensor) => tensor.name));
  const fromInput = new Set(
    graph.input.map((input) => input.name).filter((name) => !constants.has(name)),
  );
  const uses = new Map<string, number>();
  for (const output of graph.output) uses.set(output.name, 1);
  nodes.forEach((node, index) => {
    if (readsShapeOnly(node)) return;
    for (const name of reads[index]) uses.set(name, (uses.get(name) ?? 0) + 1);
    if (reads[index].some((name) => fromInput.has(name))) {
      for (const name of node.output) fromInput.add(name);
    }
  });

  // Exports in half precision cast the stream up and down around the normalisation.
  function uncast(name: string): { name: string; readOnce: boolean } {
    for (let readOnce = true;;) {
      readOnce &&= uses.get(name) === 1;
      const node = nodes[producer.get(name) ?? -1];
      if (node?.opType !== "Cast" && node?.opType !== "Identity") return { name, readOnce };
      name = node.input[0];
    }
  }

  function isAddition(index: number | undefined): index is number {
    return index !== undefined && nodes[index].opType === "Add" &&
      nodes[index].input.every((name) => fromInput.has(name));
  }

  // x + attention + mlp is two additions of which the inner one is read nowhere else.
  function summands(index: number): string[] {
    return nodes[index].input.map(uncast).flatMap(({ name, readOnce }) => {
      const inner = producer.get(name);
      return readOnce && isAddition(inner) ? summands(inner) : [name];
    });
  }

  // The operand that all others depend on. Graph inputs are token ids and masks: never a stream.
  function stream(operands: string[]): string | undefined {
    return operands.find((candidate) => {
      const source = producer.get(candidate);
      return source !== undefined &&
        operands.every((other) =>
          other === candidate || ancestors(links, [other], { valuesOnly: true })[source] === 1
        );
    });
  }

  return (index) => {
    if (!isAddition(index)) return undefined;
    return stream(nodes[index].input.map((name) => uncast(name).name)) ?? stream(summands(index));
  };
}
