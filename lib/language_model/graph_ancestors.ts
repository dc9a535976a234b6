import type { GraphProto, NodeProto } from "onnx-buf";

/** The edges of a graph: which node produces a tensor, and which tensors a node reads. */
export interface GraphLinks {
  /** Nodes in the file's order, which ONNX requires to be topological. */
  nodes: NodeProto[];
  /** Index in `nodes` of the node that produces a tensor; graph inputs and initializers have none. */
  producer: Map<string, number>;
  /** Per node, names of the tensors it reads, also those that its subgraphs read from outside. */
  reads: string[][];
}

/**
 * Links the nodes of a graph.
 *
 * @throws {Error} A tensor is produced twice, or read before it is produced; ONNX forbids both.
 */
export function linkGraph(graph: GraphProto): GraphLinks {
  const producer = new Map<string, number>();
  graph.node.forEach((node, index) => {
    for (const name of node.output) {
      if (name === "") continue;
      if (producer.has(name)) throw new Error(`the graph makes tensor ${name} twice`);
      producer.set(name, index);
    }
  });
  const reads = graph.node.map(nodeReads);
  reads.forEach((names, index) => {
    for (const name of names) {
      if ((producer.get(name) ?? -1) >= index) {
        throw new Error(`the graph reads tensor ${name} before it is made`);
      }
    }
  });
  return { nodes: graph.node, producer, reads };
}

function nodeReads(node: NodeProto): string[] {
  const names = new Set(node.input);
  for (const attribute of node.attribute) {
    const subgraphs = attribute.g ? [attribute.g, ...attribute.graphs] : attribute.graphs;
    for (const subgraph of subgraphs) {
      // A branch may output a tensor of the outer scope directly.
      const inside = new Set(subgraph.initializer.map((tensor) => tensor.name));
      for (const input of subgraph.input) inside.add(input.name);
      for (const inner of subgraph.node) {
        for (const name of nodeReads(inner)) if (!inside.has(name)) names.add(name);
        for (const name of inner.output) inside.add(name);
      }
      for (const output of subgraph.output) if (!inside.has(output.name)) names.add(output.name);
    }
  }
  names.delete("");
  return [...names];
}

/** Whether a node (Shape, Size) reads a tensor's dimensions, not its values. */
export function readsShapeOnly(node: NodeProto): boolean {
  return node.opType === "Shape" || node.opType === "Size";
}

/**
 * The nodes that must run to produce `tensors`, as one flag per node. With `valuesOnly`, paths
 * through Shape and Size do not count. Tensors in `given` are inputs: nothing runs for them.
 */
export function ancestors(
  links: GraphLinks,
  tensors: string[],
  { valuesOnly = false, given = new Set<string>() }: {
    valuesOnly?: boolean;
    given?: Set<string>;
  } = {},
): Uint8Array {
  const found = new Uint8Array(links.nodes.length);
  const open = [...tensors];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const index = links.producer.get(name);
    if (index === undefined || found[index] || given.has(name)) continue;
    if (valuesOnly && readsShapeOnly(links.nodes[index])) continue;
    found[index] = 1;
    open.push(...links.reads[index]);
  }
  return found;
}
