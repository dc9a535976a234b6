import type { SparseMatrix } from "../matrix.ts";
import type { ActivationHistogram } from "./activation_histogram.ts";
import type { CollectorState } from "./collector_state.ts";
import { cut, type LatentContext, moveSlot, readSlot } from "./context_slots.ts";
import { hashOf } from "./hash.ts";
import {
  BINS,
  BINS_PER_INTERVAL,
  comesBefore,
  type ContextOptions,
  createSeen,
  double,
  INTERVALS,
  joinSeen,
  restoreSeen,
  saveSeen,
} from "./seen_latents.ts";

export type { LatentContext };

/** Activations of a latent in a range, and some of the places that have one. */
export interface ActivationInterval {
  /** Lower end; an activation of just that is in the interval, unless it is 0. */
  low: number;
  /** Upper end; an activation of just that is not in it. */
  high: number;
  /** How many activations there are. */
  count: number;
  /** A random sample of them, in the order of the text. */
  samples: LatentContext[];
}

/** What was seen of one latent. */
export interface SeenLatent {
  /** In how many samples it is active. */
  actives: number;
  /** Mean of its activations above zero; 0 where there is none. */
  meanActivation: number;
  /** The largest; 0 where there is none. */
  maxActivation: number;
  /** Distribution of the activations above zero. */
  histogram: ActivationHistogram;
  /** Places with the largest activations, one per row, the largest first and of equal ones the first. */
  top: LatentContext[];
  /** 5 to 8 intervals of equal width from 0 to the largest activation; none where it is never active. */
  intervals: ActivationInterval[];
}

/** What is kept of each latent while samples go by, in memory that does not grow with their number. */
export interface ContextCollector {
  /** Bytes that are held. */
  readonly bytes: number;
  /** In how many samples a latent was active so far. */
  actives(latent: number): number;
  /**
   * Takes the codes of one token row.
   *
   * @param row Number of the row; rows come in order.
   * @param codes Codes of some samples.
   * @param from First of the row's samples in `codes`.
   * @param positions Measured position of each of the row's samples, ascending.
   */
  add(row: number, codes: SparseMatrix, from: number, positions: ArrayLike<number>): void;
  /** What was seen of a latent so far. */
  read(latent: number): SeenLatent;
  /** All that is kept, as arrays. */
  save(): CollectorState;
  /** Adds what another collector of the same options has saved, which saw later rows. */
  join(state: CollectorState): void;
}

/**
 * Collects the contexts of all latents in one pass. The maximum of a latent is not known before the end, so
 * bins are a power of two wide and double when an activation does not fit. A sample of an interval is the
 * `perInterval` places with the smallest hash of row, position and latent: every place has the same chance, the
 * sample of two intervals together is found from theirs, and nothing depends on how the rows are split.
 */
export function collectContexts(options: ContextOptions): ContextCollector {
  const { dictSize, length, top, perInterval } = options;
  const chosen = options.latents
    ? Uint32Array.from(options.latents)
    : Uint32Array.from({ length: dictSize }, (_, latent) => latent);
  const place = new Int32Array(dictSize).fill(-1);
  chosen.forEach((latent, i) => place[latent] = i);
  const count = chosen.length;
  const seen = createSeen(count, options);
  const { actives, sums, maxima, width, bins, tops, topsFilled, kept, hashes, keptFilled } = seen;
  // One row's entries by latent: a linked list each, ascending in position.
  const line = new Float32Array(length);
  const head = new Int32Array(count).fill(-1);
  let touched: number[] = [];
  let next = new Int32Array(0);
  let entryPosition = new Uint32Array(0);
  let entryValue = new Float32Array(0);

  const sample = (c: number, row: number, position: number, value: number): void => {
    const interval = Math.floor(value / width[c] / BINS_PER_INTERVAL);
    const at = c * INTERVALS + interval;
    const first = at * perInterval;
    const hash = hashOf(row, position, chosen[c]);
    let slot = first + keptFilled[at];
    if (keptFilled[at] === perInterval) {
      if (perInterval === 0) return;
      slot = first;
      for (let s = first + 1; s < first + perInterval; s++) {
        if (comesBefore(seen, slot, s) < 0) slot = s;
      }
      if (hash >= hashes[slot]) return;
    } else {
      keptFilled[at]++;
    }
    hashes[slot] = hash;
    cut(kept, slot, row, position, value, line);
  };

  const keepTop = (c: number, row: number, position: number, value: number): void => {
    const first = c * top;
    let filled = topsFilled[c];
    if (filled === top && (top === 0 || value <= tops.value[first + top - 1])) return;
    if (filled < top) topsFilled[c] = ++filled;
    // Rows come in order: behind those that are equal.
    let slot = first + filled - 1;
    for (; slot > first && tops.value[slot - 1] < value; slot--) moveSlot(tops, slot - 1, slot);
    cut(tops, slot, row, position, value, line);
  };

  const take = (c: number, row: number): void => {
    for (let e = head[c]; e >= 0; e = next[e]) line[entryPosition[e]] = entryValue[e];
    let peak = head[c];
    for (let e = head[c]; e >= 0; e = next[e]) {
      const value = entryValue[e];
      if (!(value > 0 && value < Infinity)) {
        throw new RangeError(
          `an activation of latent ${chosen[c]} is ${value}, expected a finite number above 0`,
        );
      }
      actives[c]++;
      sums.add(c, value);
      if (width[c] === 0) width[c] = 2 ** (Math.floor(Math.log2(value)) + 1) / BINS;
      while (value >= width[c] * BINS) double(seen, c);
      bins[c * BINS + Math.floor(value / width[c])]++;
      sample(c, row, entryPosition[e], value);
      if (value > entryValue[peak]) peak = e;
    }
    maxima[c] = Math.max(maxima[c], entryValue[peak]);
    keepTop(c, row, entryPosition[peak], entryValue[peak]);
    for (let e = head[c]; e >= 0; e = next[e]) line[entryPosition[e]] = 0;
    head[c] = -1;
  };

  return {
    bytes: tops.bytes + kept.bytes + hashes.byteLength + bins.byteLength +
      sums.bytes + actives.byteLength + width.byteLength + place.byteLength,
    actives: (latent) => place[latent] < 0 ? 0 : actives[place[latent]],
    add(row, codes, from, positions) {
      const first = codes.rowOffsets[from];
      const entries = codes.rowOffsets[from + positions.length] - first;
      if (entries > next.length) {
        next = new Int32Array(entries);
        entryPosition = new Uint32Array(entries);
        entryValue = new Float32Array(entries);
      }
      touched = [];
      // From the last to the first, so that lists ascend.
      for (let s = positions.length - 1; s >= 0; s--) {
        for (let e = codes.rowOffsets[from + s]; e < codes.rowOffsets[from + s + 1]; e++) {
          const c = place[codes.latents[e]];
          if (c < 0) continue;
          if (head[c] < 0) touched.push(c);
          next[e - first] = head[c];
          head[c] = e - first;
          entryPosition[e - first] = positions[s];
          entryValue[e - first] = codes.values[e];
        }
      }
      for (const c of touched) take(c, row);
    },
    save: () => saveSeen(seen),
    join: (state) => joinSeen(seen, restoreSeen(count, options, state), count),
    read(latent) {
      const c = place[latent];
      if (c === undefined || c < 0) throw new RangeError(`latent ${latent} was not looked at`);
      const counts = bins.slice(c * BINS, (c + 1) * BINS);
      const used = counts.findLastIndex((each) => each > 0) + 1;
      const intervals = Math.ceil(used / BINS_PER_INTERVAL);
      const span = width[c] * BINS_PER_INTERVAL;
      return {
        actives: actives[c],
        meanActivation: actives[c] > 0 ? sums.sum(c) / actives[c] : 0,
        maxActivation: maxima[c],
        histogram: { width: width[c], counts: counts.slice(0, used) },
        top: Array.from({ length: topsFilled[c] }, (_, i) => readSlot(tops, c * top + i)),
        intervals: Array.from({ length: intervals }, (_, i) => ({
          low: i * span,
          high: (i + 1) * span,
          count: counts.subarray(i * BINS_PER_INTERVAL, (i + 1) * BINS_PER_INTERVAL)
            .reduce((sum, each) => sum + each, 0),
          samples: Array.from(
            { length: keptFilled[c * INTERVALS + i] },
            (_, s) => readSlot(kept, (c * INTERVALS + i) * perInterval + s),
          ).sort((a, b) => a.row - b.row || a.start + a.peak - b.start - b.peak),
        })),
      };
    },
  };
}
