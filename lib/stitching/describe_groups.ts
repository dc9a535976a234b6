import type { LatentGroup } from "./latent_groups.ts";

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
 * A group in a line, as the examples of A.5 are drawn: "12 ↔ 40, 77". Beyond `most` latents a side the
 * rest is counted.
 *
 * @param group The group.
 * @param options `nameSmall` and `nameLarge` say what a latent is called (default: its number); `most`
 * is how many are named a side (default 8).
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
