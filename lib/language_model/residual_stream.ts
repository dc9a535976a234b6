import type { GraphProto } from "onnx-buf";
import { ancestors, type GraphLinks, linkGraph, readsShapeOnly } from "./graph_ancestors.ts";
import { inputDependent } from "./graph_flow.ts";

/** An addition to the residual stream. */
export interface ResidualAddition {
  /** Tensor of the stream before the addition. */
  before: string;
  /** Tensor of the stream after it. */
  after: string;
  /**
   * The tensors that are added, one per branch; a branch that is itself a sum is one tensor. Empty
   * where a constant (a bias) is added after the branches, so that no tensor is the branch's output.
   */
  branches: string[];
  /** The branches with inner sums split: for x + (attention + MLP), both. */
  summands: string[];
}

/** The residual stream of a decoder. */
export interface ResidualStream {
  /** The embedding. */
  start: string;
  /** The additions, from the first layer to the last. */
  additions: ResidualAddition[];
  /** Whether positions are mixed between the stream `before` and `tensor`, as in attention. */
  mixesPositions(tensor: string, before: string): boolean;
}

/**
 * Finds the residual stream of a decoder by the graph's structure. In a residual addition one operand
 * depends on the other; the stream is the longest chain of such additions that leads to the logits.
 * (GELU's x + 0.044715 x³ is a chain of length 1.)
 *
 * @param graph The main graph.
 * @param logits Name of the logits output.
 * @throws {Error} The graph has no residual stream, or is malformed.
 */
export function findResidualStream(graph: GraphProto, logits: string): ResidualStream {
  const links = linkGraph(graph);
  const beforeLogits = ancestors(links, [logits], { valuesOnly: true });
  const fromInput = inputDependent(graph, links);
  const { addition, source } = residualAdditions(graph, links, fromInput);
  // Per node, its addition and the length of the chain that ends with it.
  const found: ({ step: ResidualAddition; length: number } | undefined)[] = [];
  let last: number | undefined;
  links.nodes.forEach((_, index) => {
    const step = beforeLogits[index] ? addition(index) : undefined;
    if (!step) return;
    const length = 1 + (found[source(step.before)?.index ?? -1]?.length ?? 0);
    found[index] = { step, length };
    if (last === undefined || length >= found[last]!.length) last = index;
  });
  if (last === undefined) {
    const branches = graph.node.some((node) => node.opType === "If");
    throw new Error(
      `no residual additions lead to ${logits}` +
        (branches ? "; the graph has branches (If): try a file without them" : ""),
    );
  }
  const additions: ResidualAddition[] = [];
  let after = foldedBias(links, last, fromInput);
  for (let at: number | undefined = last; at !== undefined;) {
    const { step } = found[at]!;
    const from = source(step.before);
    const previous = found[from?.index ?? -1]?.step;
    // Output of one addition and input of the next must be the same tensor.
    const before = previous && !from!.folded ? previous.after : step.before;
    const folded = after !== step.after;
    additions.unshift({ ...step, before, after, ...folded && { branches: [], summands: [] } });
    after = before;
    at = previous && from!.index;
  }
  return {
    start: after,
    additions,
    mixesPositions: (tensor, before) => mixesPositions(links, fromInput, tensor, before),
  };
}

/** Whether a node passes its first input on: float16 exports have casts around normalizations. */
function passesOn({ opType }: { opType: string }): boolean {
  return opType === "Cast" || opType === "Identity" || opType === "Dropout";
}

function residualAdditions(graph: GraphProto, links: GraphLinks, fromInput: Set<string>) {
  const { nodes, producer, reads } = links;
  const uses = new Map<string, number>();
  for (const output of graph.output) uses.set(output.name, 1);
  nodes.forEach((node, index) => {
    if (readsShapeOnly(node)) return;
    for (const name of reads[index]) uses.set(name, (uses.get(name) ?? 0) + 1);
  });

  function uncast(name: string): { name: string; readOnce: boolean } {
    for (let readOnce = true;;) {
      readOnce &&= uses.get(name) === 1;
      const node = nodes[producer.get(name) ?? -1];
      if (!node || !passesOn(node)) return { name, readOnce };
      name = node.input[0];
    }
  }

  function isAddition(index: number | undefined): index is number {
    return index !== undefined && nodes[index].opType === "Add" &&
      nodes[index].input.every((name) => fromInput.has(name));
  }

  // x + attention + mlp is two additions; nothing else reads the inner one.
  function summands(name: string): string[] {
    const inner = uncast(name);
    const index = producer.get(inner.name);
    return inner.readOnce && isAddition(index)
      ? nodes[index].input.flatMap(summands)
      : [inner.name];
  }

  // The operand that all others depend on; graph inputs (token ids, masks) are not candidates.
  function stream(operands: string[]): string | undefined {
    return operands.find((candidate) => {
      const index = producer.get(candidate);
      return index !== undefined &&
        operands.every((other) => other === candidate || dependsOn(links, other, index));
    });
  }

  function addition(index: number): ResidualAddition | undefined {
    if (!isAddition(index)) return undefined;
    const after = nodes[index].output[0];
    for (
      const operands of [
        nodes[index].input.map((name) => uncast(name).name),
        nodes[index].input.flatMap(summands),
      ]
    ) {
      const before = stream(operands);
      if (before === undefined) continue;
      const branches = operands.filter((name) => name !== before);
      return { before, after, branches, summands: branches.flatMap(summands) };
    }
  }

  // The addition that produces a tensor of the stream. OPT flattens rows and positions into one
  // dimension for its MLP; some graph optimizers add a branch's bias last: (x + branch) + bias.
  function source(name: string): { index: number; folded: boolean } | undefined {
    for (let folded = false;;) {
      const index = producer.get(name);
      const node = nodes[index ?? -1];
      if (!node) return undefined;
      if (isAddition(index)) return { index, folded };
      if (passesOn(node) || node.opType === "Reshape") name = node.input[0];
      else if (node.opType === "Add") {
        folded = true;
        name = node.input.find((one) => fromInput.has(one)) ?? "";
      } else return undefined;
    }
  }

  return { addition, source };
}

function foldedBias(
  { nodes, reads }: GraphLinks,
  index: number,
  fromInput: Set<string>,
): string {
  const sum = nodes[index].output[0];
  const readers = nodes.filter((_, i) => reads[i].includes(sum));
  const [reader] = readers;
  const folded = readers.length === 1 && reader.opType === "Add" &&
    reader.input.some((name) => !fromInput.has(name));
  return folded ? reader.output[0] : sum;
}

// Whether a value depends on a node's outputs. Nodes before it, in topological order, do not.
function dependsOn({ nodes, producer, reads }: GraphLinks, tensor: string, on: number): boolean {
  const seen = new Set<number>();
  const open = [tensor];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const index = producer.get(name);
    if (index === on) return true;
    if (index === undefined || index < on || seen.has(index)) continue;
    if (readsShapeOnly(nodes[index])) continue;
    seen.add(index);
    for (const read of reads[index]) open.push(read);
  }
  return false;
}

function mixesPositions(
  links: GraphLinks,
  fromInput: Set<string>,
  tensor: string,
  before: string,
): boolean {
  const inside = ancestors(links, [tensor], { valuesOnly: true, given: new Set([before]) });
  const outside = ancestors(links, [before], { valuesOnly: true });
  return links.nodes.some(({ opType, input }, index) => {
    if (!inside[index] || outside[index]) return false;
    if (/Attention/.test(opType)) return true;
    // Products of two input-dependent tensors: queries times keys, attention times values.
    return /^(MatMul|Einsum|Gemm)$/.test(opType) &&
      input.slice(0, 2).every((name) => fromInput.has(name));
  });
}
