import { createRandom, randomOrder } from "../random.ts";
import type { LatentGroup } from "./latent_groups.ts";

/** What a step of a path does: "insert" a novel latent, "swap" a group, "remove" remaining small latents. */
export type PathPhase = "insert" | "swap" | "remove";

/** A step of a path from the small SAE to the large one. */
export interface PathStep {
  /** What the step does. */
  phase: PathPhase;
  /** Latents of the small SAE that it removes. */
  removed: Uint32Array;
  /** Latents of the large SAE that it inserts. */
  inserted: Uint32Array;
}

/** The steps of a path, not yet ordered. */
export interface PathParts {
  /** Large latents that are in no group with a small one: novel (Eq. 6). */
  novel: LatentGroup[];
  /** Groups with latents of both SAEs. */
  swaps: LatentGroup[];
  /** Small latents that are in no group with a large one. */
  leftovers: number[];
}

/** Sorts latents by the kind of their step. Groups with latents of one SAE only are ignored. */
export function splitPath(
  groups: readonly LatentGroup[],
  small: { dictSize: number },
  large: { dictSize: number },
): PathParts {
  const swaps = groups.filter((group) => group.small.length > 0 && group.large.length > 0);
  const outside = (side: "small" | "large", dictSize: number): number[] => {
    const grouped = new Set(swaps.flatMap((group) => [...group[side]]));
    return Array.from({ length: dictSize }, (_, latent) => latent)
      .filter((latent) => !grouped.has(latent));
  };
  const novel = outside("large", large.dictSize)
    .map((latent) => ({ small: new Uint32Array(), large: Uint32Array.of(latent) }));
  return { novel, swaps, leftovers: outside("small", small.dictSize) };
}

/** The steps of a path whose parts are in order. */
export function layPath(
  { novel, swaps, leftovers }: PathParts,
  { swap, removal }: { swap: boolean; removal: "together" | "each" | "none" },
): PathStep[] {
  const steps: PathStep[] = [];
  const step = (phase: PathPhase, { small, large }: LatentGroup) =>
    steps.push({ phase, removed: small, inserted: large });
  for (const group of novel) step("insert", group);
  if (!swap) return steps;
  for (const group of swaps) step("swap", group);
  const none = new Uint32Array();
  if (removal === "each") {
    for (const latent of leftovers) step("remove", { small: Uint32Array.of(latent), large: none });
  }
  if (removal === "together" && leftovers.length > 0) {
    step("remove", { small: Uint32Array.from(leftovers), large: none });
  }
  return steps;
}

/**
 * The order in which novel latents are inserted, and then groups swapped:
 * - "benefit": by how much each alone lowers the small SAE's MSE, most first;
 * - "cosine": by the largest cosine with a small latent, lowest first (for a group: the mean over
 *   its large latents);
 * - "random": random, by the seed.
 */
export type InterpolationOrder = "benefit" | "cosine" | "random";

/** The parts in random order. */
export function shuffleParts({ novel, swaps, leftovers }: PathParts, seed: number): PathParts {
  const random = createRandom(seed);
  const shuffled = (groups: LatentGroup[]) =>
    Array.from(randomOrder(random, groups.length), (index) => groups[index]);
  return { novel: shuffled(novel), swaps: shuffled(swaps), leftovers };
}

/** The parts with the largest cosines of their large latents ascending. */
export function sortByCosine(parts: PathParts, cosine: Float32Array): PathParts {
  const mean = ({ large }: LatentGroup) =>
    large.reduce((sum, latent) => sum + cosine[latent], 0) / large.length;
  return sortParts(parts, parts.novel.map(mean), parts.swaps.map(mean));
}

/** The parts with their keys ascending; equal keys keep their order. */
export function sortParts(
  { novel, swaps, leftovers }: PathParts,
  novelKeys: ArrayLike<number>,
  swapKeys: ArrayLike<number>,
): PathParts {
  const sorted = (groups: LatentGroup[], keys: ArrayLike<number>) =>
    groups.map((_, index) => index).sort((a, b) => keys[a] - keys[b] || a - b)
      .map((index) => groups[index]);
  return { novel: sorted(novel, novelKeys), swaps: sorted(swaps, swapKeys), leftovers };
}
