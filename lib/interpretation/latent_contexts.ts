import type { SparseMatrix } from "../matrix.ts";
import type { ActivationHistogram } from "./activation_histogram.ts";
import { hashOf } from "./hash.ts";

/** A place where a latent is active, with the activations around it. */
export interface LatentContext {
  /** Number of the token row. */
  row: number;
  /** Where the window starts in the row, counted in measured positions. */
  start: number;
  /** Index of the place in `activations`. */
  peak: number;
  /** The latent's activation there, as it was computed. */
  value: number;
  /** The latent's activations in the window; 0 where it is inactive. */
  activations: Float32Array;
}

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
}

/** Options of {@linkcode collectContexts}. */
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

/** Bins of the histogram, and of an interval: 32 bins of which 17 to 32 are used make 5 to 8 intervals. */
const BINS = 32;
const BINS_PER_INTERVAL = 4;
const INTERVALS = BINS / BINS_PER_INTERVAL;

/**
 * Collects the contexts of all latents in one pass. The maximum of a latent is not known before the end, so
 * bins are a power of two wide and double when an activation does not fit. A sample of an interval is the
 * `perInterval` places with the smallest hash of row, position and latent: every place has the same chance, the
 * sample of two intervals together is found from theirs, and nothing depends on how the rows are split.
 */
export function collectContexts(options: ContextOptions): ContextCollector {
  const { dictSize, length, top, perInterval, window } = options;
  const chosen = options.latents
    ? Uint32Array.from(options.latents)
    : Uint32Array.from({ length: dictSize }, (_, latent) => latent);
  const place = new Int32Array(dictSize).fill(-1);
  chosen.forEach((latent, i) => place[latent] = i);
  const count = chosen.length;
  const actives = new Float64Array(count);
  const sums = new Float64Array(count);
  const maxima = new Float32Array(count);
  const width = new Float64Array(count);
  const bins = new Uint32Array(count * BINS);
  const tops = createSlots(count * top, window);
  const topsFilled = new Uint16Array(count);
  const kept = createSlots(count * INTERVALS * perInterval, window);
  const hashes = new Uint32Array(count * INTERVALS * perInterval);
  const keptFilled = new Uint16Array(count * INTERVALS);
  // One row's entries by latent: a linked list each, ascending in position.
  const line = new Float32Array(length);
  const head = new Int32Array(count).fill(-1);
  let touched: number[] = [];
  let next = new Int32Array(0);
  let entryPosition = new Uint32Array(0);
  let entryValue = new Float32Array(0);

  const double = (c: number): void => {
    const own = bins.subarray(c * BINS, (c + 1) * BINS);
    for (let b = 0; b < BINS; b++) own[b] = 2 * b < BINS ? own[2 * b] + own[2 * b + 1] : 0;
    width[c] *= 2;
    for (let interval = 0; interval < INTERVALS; interval++) {
      const from = 2 * interval < INTERVALS ? [2 * interval, 2 * interval + 1] : [];
      const slots = from.flatMap((each) => {
        const first = (c * INTERVALS + each) * perInterval;
        return Array.from({ length: keptFilled[c * INTERVALS + each] }, (_, i) => first + i);
      }).sort((a, b) => hashes[a] - hashes[b]).slice(0, perInterval);
      const held = slots.map((slot) => ({ hash: hashes[slot], ...readSlot(kept, slot) }));
      held.forEach(({ hash, ...context }, i) => {
        const slot = (c * INTERVALS + interval) * perInterval + i;
        hashes[slot] = hash;
        writeSlot(kept, slot, context);
      });
      keptFilled[c * INTERVALS + interval] = held.length;
    }
  };

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
        if (hashes[s] > hashes[slot]) slot = s;
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
      sums[c] += value;
      if (width[c] === 0) width[c] = 2 ** (Math.floor(Math.log2(value)) + 1) / BINS;
      while (value >= width[c] * BINS) double(c);
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
      sums.byteLength + actives.byteLength + width.byteLength + place.byteLength,
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
    read(latent) {
      const c = place[latent];
      if (c === undefined || c < 0) throw new RangeError(`latent ${latent} was not looked at`);
      const counts = bins.slice(c * BINS, (c + 1) * BINS);
      const used = counts.findLastIndex((each) => each > 0) + 1;
      const intervals = Math.ceil(used / BINS_PER_INTERVAL);
      const span = width[c] * BINS_PER_INTERVAL;
      return {
        actives: actives[c],
        meanActivation: actives[c] > 0 ? sums[c] / actives[c] : 0,
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

/** Contexts, one a slot. */
interface Slots {
  value: Float32Array;
  row: Uint32Array;
  start: Uint32Array;
  peak: Uint16Array;
  /** Length of the window: shorter at the ends of a row. */
  size: Uint16Array;
  activations: Float32Array;
  before: number;
  after: number;
  bytes: number;
}

function createSlots(count: number, { before, after }: ContextOptions["window"]): Slots {
  const slots = {
    value: new Float32Array(count),
    row: new Uint32Array(count),
    start: new Uint32Array(count),
    peak: new Uint16Array(count),
    size: new Uint16Array(count),
    activations: new Float32Array(count * (before + after + 1)),
  };
  const bytes = Object.values(slots).reduce((sum, each) => sum + each.byteLength, 0);
  return { ...slots, before, after, bytes };
}

function cut(
  slots: Slots,
  slot: number,
  row: number,
  position: number,
  value: number,
  line: Float32Array,
): void {
  const start = Math.max(0, position - slots.before);
  const end = Math.min(line.length, position + slots.after + 1);
  slots.value[slot] = value;
  slots.row[slot] = row;
  slots.start[slot] = start;
  slots.peak[slot] = position - start;
  slots.size[slot] = end - start;
  slots.activations.set(line.subarray(start, end), slot * (slots.before + slots.after + 1));
}

function readSlot(slots: Slots, slot: number): LatentContext {
  const first = slot * (slots.before + slots.after + 1);
  return {
    row: slots.row[slot],
    start: slots.start[slot],
    peak: slots.peak[slot],
    value: slots.value[slot],
    activations: slots.activations.slice(first, first + slots.size[slot]),
  };
}

function writeSlot(slots: Slots, slot: number, context: LatentContext): void {
  slots.value[slot] = context.value;
  slots.row[slot] = context.row;
  slots.start[slot] = context.start;
  slots.peak[slot] = context.peak;
  slots.size[slot] = context.activations.length;
  slots.activations.set(context.activations, slot * (slots.before + slots.after + 1));
}

function moveSlot(slots: Slots, from: number, to: number): void {
  const size = slots.before + slots.after + 1;
  for (const each of [slots.value, slots.row, slots.start, slots.peak, slots.size]) {
    each[to] = each[from];
  }
  slots.activations.copyWithin(to * size, from * size, (from + 1) * size);
}
