/** A dense matrix in row-major order: element (r, c) is `data[r * cols + c]`. */
export interface Matrix {
  /** `rows * cols` numbers, row after row. */
  data: Float32Array;
  /** Number of rows (samples, for a batch of activations). */
  rows: number;
  /** Number of columns (the activation width d, for a batch of activations). */
  cols: number;
}

/**
 * Latent activations of a batch in compressed-sparse-row form. Row r owns the entries
 * `rowOffsets[r] … rowOffsets[r + 1] - 1`, in ascending order of latent.
 */
export interface SparseMatrix {
  /** Number of samples. */
  rows: number;
  /** Number of latents (dictionary size m). */
  cols: number;
  /** `rows + 1` offsets into `latents` and `values`. */
  rowOffsets: Uint32Array;
  /** Latent of each entry, in [0, cols). */
  latents: Uint32Array;
  /** Activation of each entry, always above zero. */
  values: Float32Array;
}
