import type { Bins } from "./bar_plot.ts";

/**
 * Bins a histogram of whole numbers: empty ends are cut off to two places, and neighbours are put
 * together where there are more than `most`. Edges lie half-way between whole numbers.
 *
 * @param histogram histogram[a] things have the value a, as in `Evaluation.l0Histogram`.
 */
export function binCounts(histogram: ArrayLike<number>, most: number): Bins {
  const all = Array.from(histogram);
  const smallest = all.findIndex((count) => count > 0);
  if (smallest < 0) return { edges: [], counts: [] };
  const first = Math.max(0, smallest - 2);
  const end = all.findLastIndex((count) => count > 0) + 3;
  const width = Math.ceil((end - first) / most);
  const counts = new Array<number>(Math.ceil((end - first) / width)).fill(0);
  for (let a = first; a < end; a++) counts[Math.floor((a - first) / width)] += all[a] ?? 0;
  return { edges: [...counts, 0].map((_, b) => first + b * width - 0.5), counts };
}

/**
 * Bins values on a logarithmic scale, `perDecade` bins to a factor of ten, from a power of ten to a
 * power of ten. Values up to zero and values that are not finite are left out.
 */
export function logBins(values: ArrayLike<number>, perDecade: number): Bins {
  const logs = Array.from(values).filter((value) => value > 0 && value < Infinity).map(Math.log10);
  if (logs.length === 0) return { edges: [], counts: [] };
  const low = Math.floor(logs.reduce((least, log) => Math.min(least, log)));
  const high = Math.max(low + 1, Math.ceil(logs.reduce((most, log) => Math.max(most, log))));
  const bins = (high - low) * perDecade;
  const counts = new Array<number>(bins).fill(0);
  for (const log of logs) counts[Math.min(bins - 1, Math.floor((log - low) * perDecade))]++;
  return { edges: [...counts, 0].map((_, b) => 10 ** (low + b / perDecade)), counts };
}

/** Bins values into `count` bins of equal width, from the smallest to the largest finite one. */
export function linearBins(values: ArrayLike<number>, count: number): Bins {
  const finite = Array.from(values).filter(Number.isFinite);
  const low = finite.reduce((least, value) => Math.min(least, value), Infinity);
  const high = finite.reduce((most, value) => Math.max(most, value), -Infinity);
  if (!(low < high)) return { edges: [], counts: [] };
  const counts = new Array<number>(count).fill(0);
  const width = (high - low) / count;
  for (const value of finite) counts[Math.min(count - 1, Math.floor((value - low) / width))]++;
  return { edges: [...counts, 0].map((_, b) => low + b * width), counts };
}

/** Bins without the empty ones in front that lie below a place: most cosines are above zero. */
export function binsFrom(place: number, { edges, counts }: Bins): Bins {
  const all = Array.from(counts);
  const first = all.findIndex((count, b) => count > 0 || edges[b] >= place);
  return { edges: Array.from(edges).slice(first), counts: all.slice(first) };
}
