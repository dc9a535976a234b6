import type { Device } from "../device/device.ts";
import type { Matrix } from "../matrix.ts";
import type { CosineSearchOptions } from "../ops/cosine_options.ts";
import { searchEdges } from "../ops/cosine_search.ts";
import type { UnitRows } from "../ops/unit_rows.ts";
import type { Sae } from "../sae/sae.ts";
import { checkLatent } from "../sae/stitched_sae.ts";
import { checkThreshold, decoderDirections } from "./decoder_cosine.ts";

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
   * Groups with latents of both SAEs: largest first, among equals by the lowest latent of the small
   * SAE.
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
 * The device finds the edges block by block, as bits; the matrix of cosines is never stored, and memory
 * does not grow with the number of edges. Cosines are those of {@linkcode maxDecoderCosine}, so `largeOnly` is
 * what {@linkcode classifyLatents} calls novel.
 *
 * @param small SAE 0 of the paper, or its decoder rows [m₀, d].
 * @param large SAE 1 of the paper, or its decoder rows [m₁, d].
 * @param threshold θ in [−1, 1]: 0.7 for GPT-2, 0.4 for Gemma Scope. Low thresholds connect everything.
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
  const [smallRows, largeRows] = decoderDirections(small, large);
  return await connectRows(device, smallRows, largeRows, threshold, options);
}

/** {@linkcode latentGroups} of rows that are measured. */
export async function connectRows(
  device: Device,
  smallRows: UnitRows,
  largeRows: UnitRows,
  threshold: number,
  options: CosineSearchOptions,
): Promise<LatentGroups> {
  checkThreshold(threshold);
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

/**
 * Checks that groups hold latents that the SAEs have, and none of them twice.
 *
 * @throws {RangeError} Naming the group and the latent.
 */
export function checkGroups(
  groups: readonly LatentGroup[],
  small: { dictSize: number },
  large: { dictSize: number },
): void {
  for (const [side, { dictSize }] of [["small", small], ["large", large]] as const) {
    const groupOf = new Map<number, number>();
    for (const [index, group] of groups.entries()) {
      for (const latent of group[side]) {
        checkLatent(latent, dictSize, `a latent of groups[${index}].${side}`);
        const other = groupOf.get(latent);
        if (other !== undefined) {
          throw new RangeError(
            `latent ${latent} of the ${side} SAE is in groups[${other}] and in groups[${index}], ` +
              `expected each latent in one group at most`,
          );
        }
        groupOf.set(latent, index);
      }
    }
  }
}

/**
 * What a group is (A.5): "one-to-one" a latent that both SAEs have, "split" one latent of the small SAE
 * that is several in the large one (feature splitting), "merged" several of the small SAE that are one in
 * the large one, "tangled" several of each.
 */
export type GroupKind = "one-to-one" | "split" | "merged" | "tangled";

/** The groups of one kind. */
export interface GroupsOfKind {
  /** The kind. */
  kind: GroupKind;
  /** Number of groups. */
  count: number;
  /** Latents of the small SAE in them. */
  smallLatents: number;
  /** Latents of the large SAE in them. */
  largeLatents: number;
  /** The groups, in the order in which they came. */
  groups: LatentGroup[];
}

/** Kinds, in the order of {@linkcode groupsByKind}. */
const KINDS: readonly GroupKind[] = ["one-to-one", "split", "merged", "tangled"];

/** Sorts groups by their kind: all four, in the order of {@linkcode GroupKind}, empty ones too. */
export function groupsByKind(groups: readonly LatentGroup[]): GroupsOfKind[] {
  return KINDS.map((kind) => {
    const own = groups.filter((group) => kindOf(group) === kind);
    return {
      kind,
      count: own.length,
      smallLatents: own.reduce((sum, { small }) => sum + small.length, 0),
      largeLatents: own.reduce((sum, { large }) => sum + large.length, 0),
      groups: own,
    };
  });
}

function kindOf({ small, large }: LatentGroup): GroupKind {
  if (small.length === 1) return large.length === 1 ? "one-to-one" : "split";
  return large.length === 1 ? "merged" : "tangled";
}

/**
 * A group in a line, as the examples of A.5 are drawn: "12 ↔ 40, 77". Beyond `most` latents per side the
 * rest is counted.
 *
 * @param group The group.
 * @param options `nameSmall` and `nameLarge` say what a latent is called (default: its number); `most`
 * is how many are named per side (default 8).
 */
export function describeGroup(
  { small, large }: LatentGroup,
  { nameSmall = String, nameLarge = String, most = 8 }: {
    nameSmall?: (latent: number) => string;
    nameLarge?: (latent: number) => string;
    most?: number;
  } = {},
): string {
  const side = (latents: Uint32Array, name: (latent: number) => string) => {
    const named = Array.from(latents.subarray(0, most), (latent) => name(latent));
    const rest = latents.length - named.length;
    return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
  };
  return `${side(small, nameSmall)} ↔ ${side(large, nameLarge)}`;
}
