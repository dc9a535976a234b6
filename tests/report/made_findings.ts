// Findings about a meta-SAE, made for tests of claims, reports and plots.
import type { SparseMatrix } from "../../lib/matrix.ts";
import type { Decomposition } from "../../lib/meta/decompose.ts";
import type {
  ComparedMetaLatents,
  MetaControl,
  MetaFindings,
} from "../../lib/meta/meta_findings.ts";

export function sparse(rows: Record<number, number>[], cols: number): SparseMatrix {
  const all = rows.map((row) => Object.entries(row));
  const ends = all.map((_, r) => all.slice(0, r + 1).flat().length);
  return {
    ...{ rows: rows.length, cols },
    rowOffsets: Uint32Array.of(0, ...ends),
    latents: Uint32Array.from(all.flat(), ([col]) => Number(col)),
    values: Float32Array.from(all.flat(), ([, value]) => value),
  };
}

/** Five latents, four meta-latents: 0 and 1 share both of theirs, 3 has none; 3 is in no latent. */
export function decomposition(): Decomposition {
  return {
    latents: sparse(
      [{ 0: 0.5, 1: 0.25 }, { 0: 0.25, 1: 0.75 }, { 2: 1 }, {}, { 0: 0.5, 2: 0.5 }],
      4,
    ),
    metaLatents: sparse(
      [{ 0: 0.5, 1: 0.25, 4: 0.5 }, { 0: 0.25, 1: 0.75 }, { 2: 1, 4: 0.5 }, {}],
      5,
    ),
    squaredErrors: Float32Array.of(0.25, 0.125, 0.5, 1, 0.375),
    singleErrors: Float32Array.of(0.75, 0.875, 0.5, 1, 0.625),
    variance: 0.9,
    ...{ explainedVariance: 0.5, l0: 1.4, deadMetaLatents: 1 },
  };
}

/**
 * Latents in two meta-latents each, which explain `share(latent)` of what the best single one leaves, and
 * that is `single` of the variance.
 */
export function decomposed(
  latents: number,
  metaLatents: number,
  explainedVariance: number,
  share: (latent: number) => number,
  single = 0.75,
): Decomposition {
  const pairs = (rows: number, cols: number) =>
    sparse(Array.from({ length: rows }, (_, i) => ({ [i % cols]: 1, [(i + 1) % cols]: 1 })), cols);
  return {
    latents: pairs(latents, metaLatents),
    metaLatents: pairs(metaLatents, latents),
    squaredErrors: Float32Array.from({ length: latents }, (_, i) => single * (1 - share(i))),
    singleErrors: new Float32Array(latents).fill(single),
    ...{ variance: 1, explainedVariance, l0: 2, deadMetaLatents: 0 },
  };
}

/** A control whose shares of what is left go evenly from 0 to `most`. */
export function control(explainedVariance: number, most: number, latents = 40): MetaControl {
  return decomposed(latents, 20, explainedVariance, (i) => most * i / (latents - 1));
}

export function compared(
  name: string,
  dictSize: number,
  cosine: number[],
  explainedVariance: number,
  chance: [number, number] = [0.25, 0.3125],
): ComparedMetaLatents {
  const measures = (share: number) => ({ explainedVariance: share, l0: 1.25, deadMetaLatents: 2 });
  return {
    ...{ name, dictSize },
    cosine: Float32Array.from(cosine),
    nearest: Uint32Array.from(cosine, (_, i) => (i + 1) % 3),
    meanCosine: cosine.reduce((sum, value) => sum + value, 0) / cosine.length,
    chance: {
      isotropic: new Float32Array(cosine.length).fill(chance[0]),
      matched: new Float32Array(cosine.length).fill(chance[1]),
    },
    replaced: measures(explainedVariance),
    replacedControls: { isotropic: measures(0.0625), matched: measures(0.125) },
  };
}

/**
 * Findings for which every claim holds: 60 latents, 20 meta-latents, SAEs of 20 and of 400 latents beside
 * them.
 */
export function goodFindings(): MetaFindings {
  return {
    decomposition: decomposed(60, 20, 0.5, (i) => 0.5 + i / 1000),
    k: 2,
    sae: { seed: 0, lossChange: -0.01, nmse: 0.25 },
    meta: { seed: 3, lossChange: 0.005 },
    controls: {
      isotropic: control(0.125, 0.2),
      matched: control(0.25, 0.4),
      single: decomposed(60, 20, 0.25, () => 0),
    },
    compared: [
      { ...compared("small", 20, twenty((i) => 0.8 + i / 200), 0.48), seed: 1 },
      { ...compared("large", 400, twenty((i) => 0.5 + i / 200), 0.3), seed: 2 },
    ],
  };
}

export function twenty(value: (i: number) => number): number[] {
  return Array.from({ length: 20 }, (_, i) => value(i));
}
