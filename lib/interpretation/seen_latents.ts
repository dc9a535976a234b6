import type { CollectorState } from "./collector_state.ts";
import {
  createSlots,
  type LatentContext,
  packSlots,
  readSlot,
  type Slots,
  unpackSlots,
  writeSlot,
} from "./context_slots.ts";
import { createExactSums, type ExactSums } from "./exact_sums.ts";

/** Options of a collector of contexts. */
export interface ContextOptions {
  /** Number of latents m. */
  dictSize: number;
  /** Which ones are looked at (default: all). */
  latents?: ArrayLike<number>;
  /** Measured positions of a row. */
  length: number;
  /** Most places of largest activation per latent. */
  top: number;
  /** Most places sampled per interval. */
  perInterval: number;
  /** Positions kept around a place. */
  window: { before: number; after: number };
}

/** Bins of the histogram: 17 to 32 are used. */
export const BINS = 32;
/** Bins of an interval: 5 to 8 intervals. */
export const BINS_PER_INTERVAL = 4;
/** Most intervals. */
export const INTERVALS = BINS / BINS_PER_INTERVAL;

/** What is kept of all latents, in their order. */
export interface Seen {
  /** In how many samples each was active. */
  actives: Float64Array;
  /** Sums of activations. */
  sums: ExactSums;
  /** Largest activations. */
  maxima: Float32Array;
  /** Width of a bin; 0 where a latent was not active yet. */
  width: Float64Array;
  /** Counts of activations, 32 bins each. */
  bins: Uint32Array;
  /** Places of largest activation, `top` slots each. */
  tops: Slots;
  /** How many of them are filled. */
  topsFilled: Uint16Array;
  /** Samples, `perInterval` slots for each interval. */
  kept: Slots;
  /** Hashes of the samples. */
  hashes: Uint32Array;
  /** How many slots of each interval are filled. */
  keptFilled: Uint16Array;
  /** Most places of largest activation. */
  top: number;
  /** Most samples of an interval. */
  perInterval: number;
}

/** Nothing was seen yet of `count` latents. */
export function createSeen(count: number, { top, perInterval, window }: ContextOptions): Seen {
  return {
    actives: new Float64Array(count),
    sums: createExactSums(count),
    maxima: new Float32Array(count),
    width: new Float64Array(count),
    bins: new Uint32Array(count * BINS),
    tops: createSlots(count * top, window),
    topsFilled: new Uint16Array(count),
    kept: createSlots(count * INTERVALS * perInterval, window),
    hashes: new Uint32Array(count * INTERVALS * perInterval),
    keptFilled: new Uint16Array(count * INTERVALS),
    ...{ top, perInterval },
  };
}

/** Order of samples: by hash, and of equal ones by place. */
export function comesBefore({ kept, hashes }: Seen, a: number, b: number): number {
  const place = (slot: number) => kept.start[slot] + kept.peak[slot];
  return hashes[a] - hashes[b] || kept.row[a] - kept.row[b] || place(a) - place(b);
}

/** Slots of the samples of a latent's interval. */
function samplesOf({ perInterval, keptFilled }: Seen, c: number, interval: number): number[] {
  const at = c * INTERVALS + interval;
  return Array.from({ length: keptFilled[at] }, (_, i) => at * perInterval + i);
}

/** Makes the bins of a latent twice as wide. */
export function double(seen: Seen, c: number): void {
  const { bins, width, kept, hashes, keptFilled, perInterval } = seen;
  const own = bins.subarray(c * BINS, (c + 1) * BINS);
  for (let b = 0; b < BINS; b++) own[b] = 2 * b < BINS ? own[2 * b] + own[2 * b + 1] : 0;
  width[c] *= 2;
  for (let interval = 0; interval < INTERVALS; interval++) {
    const from = 2 * interval < INTERVALS ? [2 * interval, 2 * interval + 1] : [];
    const slots = from.flatMap((each) => samplesOf(seen, c, each))
      .sort((a, b) => comesBefore(seen, a, b)).slice(0, perInterval);
    const held = slots.map((slot) => ({ hash: hashes[slot], ...readSlot(kept, slot) }));
    held.forEach(({ hash, ...context }, i) => {
      const slot = (c * INTERVALS + interval) * perInterval + i;
      hashes[slot] = hash;
      writeSlot(kept, slot, context);
    });
    keptFilled[c * INTERVALS + interval] = held.length;
  }
}

/** Slots that hold something, in order: of the largest activations, and of the samples. */
function filledSlots(seen: Seen): { tops: number[]; kept: number[] } {
  const { topsFilled, keptFilled, top, perInterval } = seen;
  const each = (filled: Uint16Array, size: number) =>
    Array.from(filled, (count, c) => Array.from({ length: count }, (_, i) => c * size + i)).flat();
  return { tops: each(topsFilled, top), kept: each(keptFilled, perInterval) };
}

/** All that was seen, as arrays. */
export function saveSeen(seen: Seen): CollectorState {
  const filled = filledSlots(seen);
  return {
    ...{ actives: seen.actives, sums: seen.sums.limbs(), maxima: seen.maxima, width: seen.width },
    ...{ bins: seen.bins, topsFilled: Uint32Array.from(seen.topsFilled) },
    keptFilled: Uint32Array.from(seen.keptFilled),
    hashes: Uint32Array.from(filled.kept, (slot) => seen.hashes[slot]),
    ...packSlots(seen.tops, filled.tops, "tops"),
    ...packSlots(seen.kept, filled.kept, "kept"),
  };
}

/** What {@linkcode saveSeen} gave. */
export function restoreSeen(count: number, options: ContextOptions, state: CollectorState): Seen {
  const seen = createSeen(count, options);
  for (const name of ["actives", "maxima", "width", "bins", "topsFilled", "keptFilled"] as const) {
    seen[name].set(state[name]);
  }
  seen.sums.join(state.sums as Float64Array);
  const filled = filledSlots(seen);
  filled.kept.forEach((slot, i) => seen.hashes[slot] = state.hashes[i]);
  unpackSlots(seen.tops, filled.tops, "tops", state);
  unpackSlots(seen.kept, filled.kept, "kept", state);
  return seen;
}

/** Adds what was seen in later rows: the same as if they had come one after the other. */
export function joinSeen(seen: Seen, later: Seen, count: number): void {
  seen.sums.join(later.sums.limbs());
  for (let c = 0; c < count; c++) {
    if (later.actives[c] === 0) continue;
    seen.actives[c] += later.actives[c];
    seen.maxima[c] = Math.max(seen.maxima[c], later.maxima[c]);
    if (seen.width[c] === 0) seen.width[c] = later.width[c];
    while (seen.width[c] < later.width[c]) double(seen, c);
    while (later.width[c] < seen.width[c]) double(later, c);
    for (let b = c * BINS; b < (c + 1) * BINS; b++) seen.bins[b] += later.bins[b];
    for (let interval = 0; interval < INTERVALS; interval++) joinSamples(seen, later, c, interval);
    joinTops(seen, later, c);
  }
}

function joinSamples(seen: Seen, later: Seen, c: number, interval: number): void {
  const read = (from: Seen) =>
    samplesOf(from, c, interval).map((slot) => ({
      hash: from.hashes[slot],
      ...readSlot(from.kept, slot),
    }));
  const place = ({ start, peak }: LatentContext) => start + peak;
  const all = [...read(seen), ...read(later)]
    .sort((a, b) => a.hash - b.hash || a.row - b.row || place(a) - place(b))
    .slice(0, seen.perInterval);
  const at = c * INTERVALS + interval;
  all.forEach(({ hash, ...context }, i) => {
    seen.hashes[at * seen.perInterval + i] = hash;
    writeSlot(seen.kept, at * seen.perInterval + i, context);
  });
  seen.keptFilled[at] = all.length;
}

function joinTops(seen: Seen, later: Seen, c: number): void {
  const read = ({ tops, topsFilled, top }: Seen) =>
    Array.from({ length: topsFilled[c] }, (_, i) => readSlot(tops, c * top + i));
  const all = [...read(seen), ...read(later)].sort((a, b) => b.value - a.value || a.row - b.row)
    .slice(0, seen.top);
  all.forEach((context, i) => writeSlot(seen.tops, c * seen.top + i, context));
  seen.topsFilled[c] = all.length;
}
