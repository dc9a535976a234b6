import type { SparseMatrix } from "../matrix.ts";
import { checkWhole } from "../whole_number.ts";
import type { Decomposition } from "./decompose.ts";

/** A latent or a meta-latent, and the weight that joins it to another. */
export interface Weighted {
  /** Its number. */
  latent: number;
  /** The weight, above zero. */
  weight: number;
}

/** A latent that has meta-latents in common with another. */
export interface RelatedLatent {
  /** Its number. */
  latent: number;
  /** Σ over shared meta-latents of the product of both latents' weights. */
  strength: number;
  /** The shared meta-latents, with the related latent's weights; those that add most come first. */
  shared: Weighted[];
}

/**
 * The meta-latents of a latent, largest weight first (Table 1).
 *
 * @throws {RangeError} There is no such latent.
 */
export function metaLatentsOf(decomposition: Decomposition, latent: number): Weighted[] {
  return sortedRow(decomposition.latents, latent, "latent");
}

/**
 * The latents that use a meta-latent, largest weight first.
 *
 * @throws {RangeError} There is no such meta-latent.
 */
export function latentsOf(decomposition: Decomposition, metaLatent: number): Weighted[] {
  return sortedRow(decomposition.metaLatents, metaLatent, "metaLatent");
}

/**
 * The latents that share meta-latents with a latent, strongest first: the edges of Fig. 1. The strength
 * of two latents is Σ over shared meta-latents of the product of their weights, which is the dot
 * product of their codes: a meta-latent that is strong in both counts most.
 *
 * @param options `most`: how many at most (default: all).
 * @throws {RangeError} There is no such latent.
 */
export function relatedLatents(
  decomposition: Decomposition,
  latent: number,
  { most = Infinity }: { most?: number } = {},
): RelatedLatent[] {
  const found = new Map<number, (Weighted & { product: number })[]>();
  for (const own of metaLatentsOf(decomposition, latent)) {
    for (const { latent: other, weight } of entries(decomposition.metaLatents, own.latent)) {
      if (other === latent) continue;
      const shared = found.get(other) ?? [];
      shared.push({ latent: own.latent, weight, product: own.weight * weight });
      found.set(other, shared);
    }
  }
  return [...found].map(([other, shared]) => ({
    latent: other,
    strength: shared.reduce((sum, { product }) => sum + product, 0),
    shared: shared.sort((a, b) => b.product - a.product || a.latent - b.latent)
      .map(({ latent, weight }) => ({ latent, weight })),
  })).sort((a, b) => b.strength - a.strength || a.latent - b.latent).slice(0, most);
}

function sortedRow(matrix: SparseMatrix, row: number, name: string): Weighted[] {
  checkWhole(row, name, 0, matrix.rows - 1);
  return [...entries(matrix, row)].sort((a, b) => b.weight - a.weight || a.latent - b.latent);
}

function* entries({ rowOffsets, latents, values }: SparseMatrix, row: number): Generator<Weighted> {
  for (let at = rowOffsets[row]; at < rowOffsets[row + 1]; at++) {
    yield { latent: latents[at], weight: values[at] };
  }
}

/**
 * Latents whose decomposition is shown: of those with several meta-latents the ones with the smallest squared
 * error, first with a strongest meta-latent each that none of the others has, then whichever are left.
 *
 * @param count Most latents.
 * @param suits Whether a latent may be chosen (default: all may).
 */
export function chooseDecomposed(
  decomposition: Decomposition,
  count: number,
  suits: (latent: number) => boolean = () => true,
): number[] {
  const { latents: { rows, rowOffsets }, squaredErrors } = decomposition;
  const several = Array.from({ length: rows }, (_, latent) => latent)
    .filter((latent) => rowOffsets[latent + 1] - rowOffsets[latent] > 1 && suits(latent))
    .sort((a, b) => squaredErrors[a] - squaredErrors[b] || a - b);
  const used = new Set<number>();
  const first = new Set(several.filter((latent) => {
    const strongest = metaLatentsOf(decomposition, latent)[0].latent;
    return !used.has(strongest) && used.add(strongest);
  }));
  return [...first, ...several.filter((latent) => !first.has(latent))].slice(0, count);
}

/** The meta-latents with the largest sum of weights, largest first; unused ones are omitted. */
export function chooseMetaLatents({ metaLatents }: Decomposition, count: number): number[] {
  const { rows, rowOffsets, values } = metaLatents;
  const sums = Array.from(
    { length: rows },
    (_, row) =>
      values.subarray(rowOffsets[row], rowOffsets[row + 1]).reduce((sum, v) => sum + v, 0),
  );
  return [...sums.keys()].filter((row) => sums[row] > 0)
    .sort((a, b) => sums[b] - sums[a] || a - b).slice(0, count);
}
