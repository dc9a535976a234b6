import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import { type CosineSearchOptions, searchEdges } from "../ops/cosine_search.ts";
import type { Sae } from "../sae/sae.ts";
import { checkThreshold } from "./check_threshold.ts";
import { decoderDirections } from "./decoder_directions.ts";

/** Latents of two SAEs that are swapped together: a connected subgraph. */
export interface LatentGroup {
  /** Latents of the small SAE, ascending. */
  small: Uint32Array;
  /** Latents of the large SAE, ascending. */
  large: Uint32Array;
}

/** The connected subgraphs of two SAEs' latents. */
export interface LatentGroups {
  /**
   * Groups with latents of both SAEs: those with most latents first, of equal ones that with the lowest
   * latent of the small SAE.
   */
  groups: LatentGroup[];
  /** Latents of the small SAE without an edge, ascending. */
  smallOnly: Uint32Array;
  /** Latents of the large SAE without an edge: the novel ones, ascending. */
  largeOnly: Uint32Array;
  /** Number of edges. */
  edges: number;
}

/**
 * The bipartite graph of two SAEs' latents, with an edge where the decoder cosine is at least θ, and its
 * connected subgraphs (A.5): the groups that stitching swaps.
 *
 * The device finds the edges piece by piece, as bits; the matrix of cosines never exists, and memory does
 * not grow with the number of edges. Cosines are those of {@linkcode maxDecoderCosine}, so `largeOnly` is
 * what {@linkcode classifyLatents} calls novel.
 *
 * @param small SAE 0 of the paper, or its decoder rows [m₀, d].
 * @param large SAE 1 of the paper, or its decoder rows [m₁, d].
 * @param threshold θ in [−1, 1]: 0.7 for GPT-2, 0.4 for Gemma Scope. Low ones connect everything.
 * @throws {RangeError} The widths differ, there are no rows, a number is not finite, or the threshold is
 * no cosine.
 */
export async function latentGroups(
  device: Device,
  small: Sae | Matrix,
  large: Sae | Matrix,
  threshold: number,
  options: CosineSearchOptions = {},
): Promise<LatentGroups> {
  checkThreshold(threshold);
  const [largeRows, smallRows] = decoderDirections(large, "large", small, "small");
  const m0 = smallRows.matrix.rows;
  // Nodes: the small SAE's latents, then the large one's.
  const parents = Uint32Array.from({ length: m0 + largeRows.matrix.rows }, (_, node) => node);
  let edges = 0;
  await searchEdges(device, largeRows, smallRows, threshold, (largeLatent, smallLatent) => {
    edges++;
    const a = findRoot(parents, smallLatent);
    const b = findRoot(parents, m0 + largeLatent);
    // The lowest node is the root: a group's first latent is one of the small SAE.
    parents[Math.max(a, b)] = Math.min(a, b);
  }, options);
  return { ...collect(parents, m0), edges };
}

/** The root of a node's tree; halves the way there for the next time. */
function findRoot(parents: Uint32Array, node: number): number {
  while (parents[node] !== node) node = parents[node] = parents[parents[node]];
  return node;
}

function collect(parents: Uint32Array, m0: number): Omit<LatentGroups, "edges"> {
  const members = new Map<number, { small: number[]; large: number[] }>();
  for (let node = 0; node < parents.length; node++) {
    const root = findRoot(parents, node);
    let group = members.get(root);
    if (!group) members.set(root, group = { small: [], large: [] });
    if (node < m0) group.small.push(node);
    else group.large.push(node - m0);
  }
  const all = [...members.values()];
  return {
    groups: all
      .filter(({ small, large }) => small.length > 0 && large.length > 0)
      .map(({ small, large }) => ({
        small: Uint32Array.from(small),
        large: Uint32Array.from(large),
      }))
      .sort((a, b) =>
        b.small.length + b.large.length - a.small.length - a.large.length || a.small[0] - b.small[0]
      ),
    smallOnly: Uint32Array.from(all.filter(({ large }) => large.length === 0), (g) => g.small[0]),
    largeOnly: Uint32Array.from(all.filter(({ small }) => small.length === 0), (g) => g.large[0]),
  };
}
