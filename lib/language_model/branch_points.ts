import { ancestors } from "./graph_ancestors.ts";
import { type GraphFlow, producerOf, type Product, productAt, unquantized } from "./graph_flow.ts";

/** A hook point inside attention or an MLP. */
export interface BranchPoint {
  /** Its TransformerLens name without `blocks.L.`. */
  name: string;
  /** Name of the tensor. */
  tensor: string;
  /** Length of its rows. */
  width: number;
  /** How the tensor is added to the graph, where the file does not have it. */
  insert?: Insertion;
}

/** A tensor that the file does not have and that can be added to the graph. */
export type Insertion =
  /** A fused norm's output before its scale and shift; `norm` is the norm's output tensor. */
  | { kind: "normalized"; norm: string }
  /** A copy of the tensor `of`, read by the nodes `readers` (named by their first output). */
  | { kind: "copy"; of: string; readers: string[] };

/** A branch of a layer (attention or MLP), whose output is added to the residual stream. */
export interface Branch {
  /** The branch's output tensor. */
  tensor: string;
  /** The residual stream that it is added to. */
  before: string;
  /** Width of the stream. */
  dModel: number;
  /** Output tensor of the other branch, in layers where attention and MLP are parallel. */
  other?: string;
}

/**
 * The hook points inside attention, found by the graph's structure: the input of the last product
 * with constant weights is hook_z, all heads concatenated; the input of the first is the norm's output.
 */
export function attentionPoints(flow: GraphFlow, branch: Branch): BranchPoint[] {
  const { products, last } = productsOf(flow, branch);
  const points = normPoint(flow, products, branch.dModel, "ln1.hook_normalized");
  if (last?.width !== undefined) {
    points.push({ name: "attn.hook_z", tensor: unquantized(flow, last.data), width: last.width });
  }
  return points;
}

/**
 * The hook points inside an MLP: the input of the last product is hook_post, the output of the first
 * with its bias is hook_pre. A gated MLP has two first products: one goes through the nonlinearity
 * (hook_pre) and multiplies the other (hook_pre_linear).
 */
export function mlpPoints(flow: GraphFlow, branch: Branch): BranchPoint[] {
  const { products, last, inside } = productsOf(flow, branch);
  const points = inputPoint(flow, branch, inside);
  points.push(...normPoint(flow, products, branch.dModel, "ln2.hook_normalized"));
  if (last?.width === undefined) return points;
  const post = unquantized(flow, last.data);
  const first = products.filter((one) => one !== last);
  const made = first.map((one) => ({ tensor: productOutput(flow, one), width: one.outWidth }));
  const add = (name: string, one: { tensor: string; width: number | undefined } | undefined) => {
    // Concatenated gate and input weights give a tensor of twice the width, split afterwards.
    if (one?.width === last.width) points.push({ name, tensor: one!.tensor, width: last.width! });
  };
  if (made.length === 1) add("mlp.hook_pre", made[0]);
  if (made.length === 2) {
    const factors = producerOf(flow, unquantized(flow, last.data, true))?.input ?? [];
    const linear = made.filter(({ tensor }) => factors.includes(tensor));
    if (linear.length === 1) {
      add("mlp.hook_pre", made.find((one) => one !== linear[0]));
      add("mlp.hook_pre_linear", linear[0]);
    }
  }
  points.push({ name: "mlp.hook_post", tensor: post, width: last.width });
  return points;
}

/** The products of a branch; `last` is set where the whole output goes through the last product. */
function productsOf(
  flow: GraphFlow,
  { tensor, before }: Branch,
): { products: Product[]; last: Product | undefined; inside: number[] } {
  const { links } = flow;
  const within = ancestors(links, [tensor], { valuesOnly: true, given: new Set([before]) });
  const outside = ancestors(links, [before], { valuesOnly: true });
  const inside = [...within.keys()].filter((index) => within[index] && !outside[index]);
  const products = inside.map((index) => productAt(flow, index)).filter((one) => one !== undefined);
  const last = products.at(-1);
  if (!last) return { products, last, inside };
  // The scale of rows quantized to 8 bits bypasses the product.
  const given = new Set([before, last.node.output[0], unquantized(flow, last.data)]);
  const behind = ancestors(links, [tensor], { valuesOnly: true, given });
  const past = inside.some((index) => behind[index] && links.reads[index].includes(before));
  return { products, last: past ? undefined : last, inside };
}

// A product's output after its bias, 8-bit scale, casts and reshapes.
function productOutput(flow: GraphFlow, { node }: Product): string {
  const { nodes, reads } = flow.links;
  for (let tensor = node.output[0];;) {
    const readers = nodes.filter((_, index) => reads[index].includes(tensor));
    const [reader] = readers;
    if (readers.length !== 1 || !/^(Add|Cast|Reshape|Identity|Mul)$/.test(reader.opType)) {
      return tensor;
    }
    const others = reader.input.filter((name) => name !== tensor && flow.fromInput.has(name));
    const scaled = reader.opType === "Mul" && node.opType === "MatMulInteger" &&
      others.every((name) => producerOf(flow, name)?.opType === "Mul");
    if (reader.opType === "Mul" && !scaled) return tensor;
    if (reader.opType === "Add" && others.length > 0) return tensor;
    tensor = reader.output[0];
  }
}

function normPoint(
  flow: GraphFlow,
  products: Product[],
  width: number,
  name: string,
): BranchPoint[] {
  const inputs = new Set(
    products.filter((one) => one.width === width).slice(0, 1)
      .map(({ data }) => unquantized(flow, data, true)),
  );
  const [input] = inputs;
  let node = input === undefined ? undefined : producerOf(flow, input);
  while (node?.opType === "Cast") node = producerOf(flow, node.input[0]);
  if (!node) return [];
  if (/^(Simplified)?LayerNormalization$/.test(node.opType) && !flow.fromInput.has(node.input[1])) {
    const norm = node.output[0];
    return [{ name, tensor: `${norm}_normalized`, width, insert: { kind: "normalized", norm } }];
  }
  // Without the shift, without the scale.
  if (node.opType === "Add") {
    node = node.input.map((one) => flow.fromInput.has(one) ? producerOf(flow, one) : undefined)
      .find((one) => one !== undefined);
  }
  if (node?.opType !== "Mul") return [];
  const [data, ...more] = node.input.filter((one) => flow.fromInput.has(one));
  if (more.length > 0 || data === undefined) return [];
  return /^(Mul|Div|Cast)$/.test(producerOf(flow, data)?.opType ?? "")
    ? [{ name, tensor: data, width }]
    : [];
}

// The stream as the MLP reads it: the values of resid_mid, but a replacement affects the MLP only.
function inputPoint(flow: GraphFlow, branch: Branch, inside: number[]): BranchPoint[] {
  const { links } = flow;
  const { before, other, dModel } = branch;
  const readers = inside.filter((index) => links.reads[index].includes(before));
  const shared = other === undefined
    ? undefined
    : ancestors(links, [other], { valuesOnly: true, given: new Set([before]) });
  // A norm that attention reads too is not the MLP's own.
  if (readers.length === 0 || readers.some((index) => shared?.[index])) return [];
  const names = readers.map((index) => links.nodes[index].output[0]);
  return [{
    name: "hook_mlp_in",
    tensor: `${before}_mlp_in_${names[0]}`,
    width: dModel,
    insert: { kind: "copy", of: before, readers: names },
  }];
}
