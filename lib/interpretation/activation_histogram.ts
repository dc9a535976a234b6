/** Counts of a latent's activations above zero, in bins of equal width from zero. */
export interface ActivationHistogram {
  /** Width of a bin, a power of two; 0 where there was no activation. */
  width: number;
  /** counts[b] activations lie in [b · width, (b + 1) · width); the last bin is not empty. */
  counts: Uint32Array;
}

/** A histogram that is being filled. */
export interface HistogramBuilder {
  /**
   * Counts one activation.
   *
   * @throws {RangeError} It is not a finite number above zero.
   */
  add(value: number): void;
  /** The counts so far: 17 to 32 bins where there was an activation. */
  finish(): ActivationHistogram;
}

const BINS = 32;

/**
 * Starts a histogram of values whose maximum is not known yet: when one does not fit, the bins double
 * in width. Widths are powers of two, which divide exactly, so the order of the values is of no
 * consequence.
 */
export function createHistogram(): HistogramBuilder {
  const counts = new Uint32Array(BINS);
  let width = 0;
  return {
    add(value) {
      if (!(value > 0 && value < Infinity)) {
        throw new RangeError(`an activation is ${value}, expected a finite number above 0`);
      }
      if (width === 0) width = 2 ** (Math.floor(Math.log2(value)) + 1) / BINS;
      while (value >= width * BINS) {
        for (let b = 0; b < BINS; b++) {
          counts[b] = 2 * b < BINS ? counts[2 * b] + counts[2 * b + 1] : 0;
        }
        width *= 2;
      }
      counts[Math.floor(value / width)]++;
    },
    finish() {
      const used = counts.findLastIndex((count) => count > 0) + 1;
      return { width, counts: counts.slice(0, used) };
    },
  };
}
