import type { SparseMatrix } from "../matrix.ts";
import type { CollectorState } from "./collector_state.ts";
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
  /** All that is held, as arrays. */
  save(): CollectorState;
  /** Adds what another collector of the same size has saved, which saw later rows. */
  join(state: CollectorState): void;
  /**
   * The latents whose activations correlate most with a latent's, the highest first.
   *
   * @param count Most latents to give.
   */
  read(latent: number, count: number): CoactiveLatent[];
}

/** Entries held at most, 8 bytes each, and samples, 8 bytes each: 131,072 samples with 32 active latents. */
const MOST_ENTRIES = 2 ** 22;

/**
 * A latent whose activations vary by less than 1e-5 of their size is taken for one that is active alike in every
 * sample: the rounding of sums over a million samples reaches 1e-10 of n · Σ f².
 */
const LEAST_SPREAD = 1e-10;

/**
 * Starts to collect. All pairs of latents would be too many to count; codes of samples are held as they are,
 * those with the smallest hashes of row and position once there are too many, so that every sample has the same
 * chance and nothing depends on how rows are split.
 */
export function collectCoactivations(
  dictSize: number,
  mostEntries: number = MOST_ENTRIES,
): CoactivationCollector {
  // One after the other: an array for each sample would take 900 bytes, however few latents are active.
  let hashes = new Uint32Array(1024);
  let starts = new Uint32Array(1025);
  let latents = new Uint32Array(4096);
  let values = new Float32Array(4096);
  let samples = 0;
  let limit = 2 ** 32;
  let index: Index | undefined;
  const thin = (): void => {
    limit /= 2;
    let kept = 0;
    for (let s = 0; s < samples; s++) {
      if (hashes[s] >= limit) continue;
      const [first, end, to] = [starts[s], starts[s + 1], starts[kept]];
      latents.copyWithin(to, first, end);
      values.copyWithin(to, first, end);
      hashes[kept++] = hashes[s];
      starts[kept] = to + end - first;
    }
    samples = kept;
  };
  const hold = (hash: number, own: Uint32Array, activations: Float32Array): void => {
    if (hash >= limit) return;
    const to = starts[samples];
    hashes = withRoom(hashes, samples + 1);
    starts = withRoom(starts, samples + 2);
    latents = withRoom(latents, to + own.length);
    values = withRoom(values, to + own.length);
    latents.set(own, to);
    values.set(activations, to);
    hashes[samples++] = hash;
    starts[samples] = to + own.length;
    while (Math.max(starts[samples], samples) > mostEntries && limit > 1) thin();
  };
  return {
    add(row, codes, from, positions) {
      index = undefined;
      for (let s = 0; s < positions.length; s++) {
        const hash = hashOf(row, positions[s], 0);
        if (hash >= limit) continue;
        const [first, end] = [codes.rowOffsets[from + s], codes.rowOffsets[from + s + 1]];
        hold(hash, codes.latents.subarray(first, end), codes.values.subarray(first, end));
      }
    },
    save: () => ({
      limit: Float64Array.of(limit),
      hashes: hashes.slice(0, samples),
      starts: starts.slice(0, samples + 1),
      latents: latents.slice(0, starts[samples]),
      values: values.slice(0, starts[samples]),
    }),
    join(state) {
      index = undefined;
      while (limit > state.limit[0]) thin();
      const later = state as CollectorState & Held & { hashes: Uint32Array };
      for (let s = 0; s < later.hashes.length; s++) {
        const [first, end] = [later.starts[s], later.starts[s + 1]];
        const own = later.latents.subarray(first, end);
        hold(later.hashes[s], own, later.values.subarray(first, end));
      }
    },
    samples: () => samples,
    read(latent, count) {
      index ??= indexByLatent(dictSize, samples, { starts, latents, values });
      return correlate(index, samples, latent, count);
    },
  };
}

/** The array, or a longer one that begins with it. */
function withRoom<T extends Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(
  array: T,
  size: number,
): T {
  if (array.length >= size) return array;
  const longer = new (array.constructor as new (length: number) => T)(
    Math.max(size, 2 * array.length),
  );
  longer.set(array);
  return longer;
}

/** Latents and activations of all samples, one after the other: sample s from `starts[s]` on. */
interface Held {
  starts: Uint32Array;
  latents: Uint32Array;
  values: Float32Array;
}

interface Index extends Held {
  /** Samples of latent l: `samples[offsets[l]]` …, and its activation in each. */
  offsets: Uint32Array;
  samples: Uint32Array;
  own: Float32Array;
  /** Sums of activations, and n · Σ f² − (Σ f)²: NaN where the latent is active alike in every sample. */
  sum: Float64Array;
  spread: Float64Array;
  /** One latent's products with all others, how often both are active, and which ones ever are. */
  products: Float64Array;
  together: Uint32Array;
  touched: Uint32Array;
}

function indexByLatent(dictSize: number, count: number, held: Held): Index {
  const { starts, latents, values } = held;
  const entries = starts[count];
  const offsets = new Uint32Array(dictSize + 1);
  for (let e = 0; e < entries; e++) offsets[latents[e] + 1]++;
  for (let l = 0; l < dictSize; l++) offsets[l + 1] += offsets[l];
  const filled = offsets.slice(0, dictSize);
  const [samples, own] = [new Uint32Array(entries), new Float32Array(entries)];
  const [sum, spread] = [new Float64Array(dictSize), new Float64Array(dictSize)];
  for (let s = 0; s < count; s++) {
    for (let e = starts[s]; e < starts[s + 1]; e++) {
      const at = filled[latents[e]]++;
      samples[at] = s;
      own[at] = values[e];
      sum[latents[e]] += values[e];
      spread[latents[e]] += count * values[e] * values[e];
    }
  }
  for (let l = 0; l < dictSize; l++) {
    const squares = spread[l];
    spread[l] -= sum[l] * sum[l];
    if (spread[l] <= LEAST_SPREAD * squares) spread[l] = NaN;
  }
  return {
    ...{ ...held, offsets, samples, own, sum, spread },
    products: new Float64Array(dictSize),
    together: new Uint32Array(dictSize),
    touched: new Uint32Array(dictSize),
  };
}

/** Written with plain loops: 131,072 samples with 32 active latents are 134 million pairs. */
function correlate(index: Index, n: number, latent: number, count: number): CoactiveLatent[] {
  const { starts, latents, values, offsets, samples, own, sum, spread } = index;
  const { products, together, touched } = index;
  let seen = 0;
  for (let at = offsets[latent]; at < offsets[latent + 1]; at++) {
    const value = own[at];
    for (let e = starts[samples[at]], end = starts[samples[at] + 1]; e < end; e++) {
      const other = latents[e];
      if (together[other]++ === 0) touched[seen++] = other;
      products[other] += value * values[e];
    }
  }
  const best: CoactiveLatent[] = [];
  for (let i = 0; i < seen; i++) {
    const other = touched[i];
    const both = n * products[other] - sum[latent] * sum[other];
    const correlation = Math.max(-1, Math.min(1, both / Math.sqrt(spread[latent] * spread[other])));
    const found = { latent: other, correlation, together: together[other] };
    products[other] = together[other] = 0;
    // A latent that is active alike in every sample has no correlation.
    if (other === latent || Number.isNaN(correlation)) continue;
    const place = best.findLastIndex((each) =>
      each.correlation > correlation || (each.correlation === correlation && each.latent < other)
    ) + 1;
    if (place >= count) {
      continue;
    }
    best.splice(place, 0, found);
    if (best.length > count) {
      best.pop();
    }
  }
  return best;
}
