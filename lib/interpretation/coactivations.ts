import type { SparseMatrix } from "../matrix.ts";
import { hashOf } from "./hash.ts";

/** A latent that is active together with another. */
export interface CoactiveLatent {
  /** The other latent. */
  latent: number;
  /** Pearson correlation of the two activations over the samples looked at, zeros included. */
  correlation: number;
  /** In how many of these samples both are active. */
  together: number;
}

/** Finds latents that are active together, on a random part of the samples. */
export interface CoactivationCollector {
  /** Takes the codes of one token row; arguments as `ContextCollector.add` has them. */
  add(row: number, codes: SparseMatrix, from: number, positions: ArrayLike<number>): void;
  /** How many samples are held. */
  samples(): number;
  /**
   * The latents whose activations correlate most with a latent's, the highest first.
   *
   * @param count Most latents to give.
   */
  read(latent: number, count: number): CoactiveLatent[];
}

/** Entries held at most, 8 bytes each: 131,072 samples with 32 active latents. */
const MOST_ENTRIES = 2 ** 22;

/**
 * Starts to collect. All pairs of latents would be too many to count; codes of samples are held as they are,
 * those with the smallest hashes of row and position once there are too many, so that every sample has the same
 * chance and nothing depends on how rows are split.
 */
export function collectCoactivations(
  dictSize: number,
  mostEntries: number = MOST_ENTRIES,
): CoactivationCollector {
  let held: { hash: number; latents: Uint32Array; values: Float32Array }[] = [];
  let entries = 0;
  let limit = 2 ** 32;
  let index: Index | undefined;
  return {
    add(row, codes, from, positions) {
      index = undefined;
      for (let s = 0; s < positions.length; s++) {
        const hash = hashOf(row, positions[s], 0);
        if (hash >= limit) continue;
        const [first, end] = [codes.rowOffsets[from + s], codes.rowOffsets[from + s + 1]];
        held.push({
          hash,
          latents: codes.latents.slice(first, end),
          values: codes.values.slice(first, end),
        });
        entries += end - first;
        while (entries > mostEntries && limit > 1) {
          limit /= 2;
          held = held.filter((sample) => sample.hash < limit);
          entries = held.reduce((sum, { latents }) => sum + latents.length, 0);
        }
      }
    },
    samples: () => held.length,
    read(latent, count) {
      index ??= indexByLatent(dictSize, held);
      return correlate(index, held, latent).slice(0, count);
    },
  };
}

interface Index {
  /** Samples of latent l: `samples[offsets[l]]` …, and its activation in each. */
  offsets: Uint32Array;
  samples: Uint32Array;
  values: Float32Array;
  /** Sums of activations, and of their squares. */
  sum: Float64Array;
  squares: Float64Array;
  /** One latent's products with all others, and how often both are active. */
  products: Float64Array;
  together: Uint32Array;
}

function indexByLatent(
  dictSize: number,
  held: readonly { latents: Uint32Array; values: Float32Array }[],
): Index {
  const offsets = new Uint32Array(dictSize + 1);
  for (const { latents } of held) for (const latent of latents) offsets[latent + 1]++;
  for (let l = 0; l < dictSize; l++) offsets[l + 1] += offsets[l];
  const filled = offsets.slice(0, dictSize);
  const samples = new Uint32Array(offsets[dictSize]);
  const values = new Float32Array(offsets[dictSize]);
  const sum = new Float64Array(dictSize);
  const squares = new Float64Array(dictSize);
  held.forEach(({ latents, values: own }, sample) =>
    latents.forEach((latent, e) => {
      samples[filled[latent]] = sample;
      values[filled[latent]++] = own[e];
      sum[latent] += own[e];
      squares[latent] += own[e] * own[e];
    })
  );
  const scratch = { products: new Float64Array(dictSize), together: new Uint32Array(dictSize) };
  return { offsets, samples, values, sum, squares, ...scratch };
}

function correlate(
  { offsets, samples, values, sum, squares, products, together }: Index,
  held: readonly { latents: Uint32Array; values: Float32Array }[],
  latent: number,
): CoactiveLatent[] {
  const touched: number[] = [];
  for (let at = offsets[latent]; at < offsets[latent + 1]; at++) {
    const sample = held[samples[at]];
    for (let e = 0; e < sample.latents.length; e++) {
      const other = sample.latents[e];
      if (other === latent) continue;
      if (together[other]++ === 0) touched.push(other);
      products[other] += values[at] * sample.values[e];
    }
  }
  const n = held.length;
  const spread = (l: number) => Math.sqrt(n * squares[l] - sum[l] ** 2);
  const found = touched.map((other) => {
    const both = n * products[other] - sum[latent] * sum[other];
    return {
      latent: other,
      correlation: Math.max(-1, Math.min(1, both / (spread(latent) * spread(other)))),
      together: together[other],
    };
  });
  for (const other of touched) products[other] = together[other] = 0;
  // A latent that is active alike in every sample has no correlation.
  return found.filter(({ correlation }) => Number.isFinite(correlation))
    .sort((a, b) => b.correlation - a.correlation || a.latent - b.latent);
}
