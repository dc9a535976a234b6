/** Counts of cosines in bins of equal width over [−1, 1]. */
export interface CosineHistogram {
  /** Ascending edges, from −1 to 1, one more than there are bins. */
  edges: Float64Array;
  /** counts[b] cosines lie in [edges[b], edges[b + 1]); 1 itself lies in the last bin. */
  counts: Uint32Array;
}

/**
 * The histogram of Fig. 10: how the largest decoder cosines of an SAE's latents are spread.
 *
 * @param cosine Cosines, as {@linkcode maxDecoderCosine} gives them.
 * @param bins How many bins over [−1, 1] (default 80, so that an edge lies at 0.7 and at 0.4).
 * @throws {RangeError} The number of bins is not a whole number above 0, or a number is not a cosine.
 */
export function cosineHistogram(cosine: ArrayLike<number>, bins = 80): CosineHistogram {
  if (!(Number.isSafeInteger(bins) && bins > 0)) {
    throw new RangeError(`bins is ${bins}, expected a whole number above 0`);
  }
  // Quotients of whole numbers: 0.7 is 0.7, not the sum of widths next to it.
  const edges = Float64Array.from({ length: bins + 1 }, (_, b) => (2 * b - bins) / bins);
  const counts = new Uint32Array(bins);
  for (let i = 0; i < cosine.length; i++) {
    const value = cosine[i];
    if (!(value >= -1 && value <= 1)) {
      throw new RangeError(`cosine[${i}] is ${value}, expected a number from -1 to 1`);
    }
    let bin = Math.min(bins - 1, Math.floor((value + 1) / 2 * bins));
    // Rounding may have led across an edge.
    if (value < edges[bin]) bin--;
    else if (bin < bins - 1 && value >= edges[bin + 1]) bin++;
    counts[bin]++;
  }
  return { edges, counts };
}
