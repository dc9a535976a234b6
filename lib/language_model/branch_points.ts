import { ancestors } from "./graph_ancestors.ts";
import { type GraphFlow, makerOf, type Product, productAt, unrounded } from "./graph_flow.ts";

/** A tensor inside of attention or of an MLP. */
export interface BranchPoint {
  /** Its TransformerLens name without `blocks.L.`. */
  name: string;
  /** Name of the tensor. */
  tensor: string;
  /** Length of its rows. */
  width: number;
  /** What has to be put into the graph for the tensor to be there. */
  insert?: Insertion;
}

/** A tensor that the file does not have, but could. */
export type Insertion =
  /** A fused norm's output before its scale and shift; `norm` is the output of the norm. */
  | { kind: "normalized"; norm: string }
  /** A copy of the tensor `of` that the nodes `readers`, by their first output, read in its place. */
  | { kind: "copy"; of: string; readers: string[] };

/** A branch of a layer: what is added to the stream. */
export interface Branch {
  /** Tensor of what is added. */
  tensor: string;
  /** Tensor of the stream before. */
  before: string;
  /** Width of the stream. */
  dModel: number;
  /** The other branch of a parallel layer. */
  other?: string;
}

/**
 * The tensors inside of attention, found by the graph's structure: what goes into the last product with
 * constant weights is z, all heads side by side; what the first product reads is the norm's output.
 */
export function attentionPoints(flow: GraphFlow, branch: Branch): BranchPoint[] {
  const { products, last } = productsOf(flow, branch);
  const points = normPoint(flow, products, branch.dModel, "ln1.hook_normalized");
  if (last?.width !== undefined) {
    points.push({ name: "attn.hook_z", tensor: unrounded(flow, last.data), width: last.width });
  }
  return points;
}

/**
 * The tensors inside of an MLP: what goes into the last product is hook_post, what comes out of the
 * first one, its bias included, is hook_pre. Where there are two first ones, one of them goes through
 * the nonlinearity (hook_pre) and multiplies the other (hook_pre_linear).
 */
export function mlpPoints(flow: GraphFlow, branch: Branch): BranchPoint[] {
  const { products, last, inside } = productsOf(flow, branch);
  const points = inputPoint(flow, branch, inside);
  points.push(...normPoint(flow, products, branch.dModel, "ln2.hook_normalized"));
  if (last?.width === undefined) return points;
  const post = unrounded(flow, last.data);
  const first = products.filter((one) => one !== last);
  const made = first.map((one) => ({ tensor: madeBy(flow, one), width: one.outWidth }));
  const add = (name: string, one: { tensor: string; width: number | undefined } | undefined) => {
    // Weights of gate and input side by side give tensors of twice the width, split afterwards.
    if (one?.width === last.width) points.push({ name, tensor: one!.tensor, width: last.width! });
  };
  if (made.length === 1) add("mlp.hook_pre", made[0]);
  if (made.length === 2) {
    const factors = makerOf(flow, unrounded(flow, last.data, true))?.input ?? [];
    const linear = made.filter(({ tensor }) => factors.includes(tensor));
    if (linear.length === 1) {
      add("mlp.hook_pre", made.find((one) => one !== linear[0]));
      add("mlp.hook_pre_linear", linear[0]);
    }
  }
  points.push({ name: "mlp.hook_post", tensor: post, width: last.width });
  return points;
}

/** The products of a branch, and the last one where all that is added goes through it. */
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
  // The scale of rows that are rounded to 8 bits goes past the product.
  const given = new Set([before, last.node.output[0], unrounded(flow, last.data)]);
  const behind = ancestors(links, [tensor], { valuesOnly: true, given });
  const past = inside.some((index) => behind[index] && links.reads[index].includes(before));
  return { products, last: past ? undefined : last, inside };
}

// What a product gives after its bias, its scale of 8 bits and changes of form.
function madeBy(flow: GraphFlow, { node }: Product): string {
  const { nodes, reads } = flow.links;
  for (let tensor = node.output[0];;) {
    const readers = nodes.filter((_, index) => reads[index].includes(tensor));
    const [reader] = readers;
    if (readers.length !== 1 || !/^(Add|Cast|Reshape|Identity|Mul)$/.test(reader.opType)) {
      return tensor;
    }
    const others = reader.input.filter((name) => name !== tensor && flow.fromInput.has(name));
    const scaled = reader.opType === "Mul" && node.opType === "MatMulInteger" &&
      others.every((name) => makerOf(flow, name)?.opType === "Mul");
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
      .map(({ data }) => unrounded(flow, data, true)),
  );
  const [input] = inputs;
  let node = input === undefined ? undefined : makerOf(flow, input);
  while (node?.opType === "Cast") node = makerOf(flow, node.input[0]);
  if (!node) return [];
  if (/^(Simplified)?LayerNormalization$/.test(node.opType) && !flow.fromInput.has(node.input[1])) {
    const norm = node.output[0];
    return [{ name, tensor: `${norm}_normalized`, width, insert: { kind: "normalized", norm } }];
  }
  // Without the shift, without the scale.
  if (node.opType === "Add") {
    node = node.input.map((one) => flow.fromInput.has(one) ? makerOf(flow, one) : undefined)
      .find((one) => one !== undefined);
  }
  if (node?.opType !== "Mul") return [];
  const [data, ...more] = node.input.filter((one) => flow.fromInput.has(one));
  if (more.length > 0 || data === undefined) return [];
  return /^(Mul|Div|Cast)$/.test(makerOf(flow, data)?.opType ?? "")
    ? [{ name, tensor: data, width }]
    : [];
}

// The stream as the MLP reads it: the same values as resid_mid, but what it is replaced by does not go
// on in the stream.
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
