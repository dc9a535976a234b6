/** Kept entries of a batch, in the order in which they were found. */
export interface Found {
  /** Row, latent and pre-activation of each entry. */
  rows: Uint32Array;
  latents: Uint32Array;
  values: Float32Array;
  /** {entries found, candidates, …}; may be above the capacity. */
  counts: Uint32Array;
  /** [blocks, 2] first entry and number of entries of each block of rows. */
  blocks: Uint32Array;
}

/** Which cut applies to a pre-activation: the batch's, its row's or its latent's. */
export type Cut = "batch" | "row" | "latent";

/** Arguments of {@linkcode screenBlocks}. */
export interface ScreenArguments extends Found {
  cut: Cut;
  /** "batch": [1] the cut; "latent": [m] a cut per latent, which must be exceeded; "row": unused. */
  cuts: Float32Array;
  /** "row": number to keep per row. */
  wanted: number;
  /** [1 + …] {count, latents}: only these latents are considered. */
  among: Uint32Array | undefined;
  input: Float32Array;
  wEnc: Float32Array;
  bEnc: Float32Array;
  sampleBytes: Int8Array;
  sampleScale: Float32Array;
  sampleNorm: Float32Array;
  sampleError: Float32Array;
  latentBytes: Uint8Array;
  latentScale: Float32Array;
  latentNorm: Float32Array;
  latentError: Float32Array;
  /** {first bad number, …}; nothing is selected if the batch is not finite. */
  stats: Uint32Array;
  /** [1] 0: continue; 1: enough was found; 2: too many ties, which must be taken in order. */
  done: Uint32Array;
  /** Entries of each sparse row, of which the batch's first is `firstRow`. */
  kept: Uint32Array;
  firstRow: number;
  /** [threads, `scratchNumbers`] a part per thread. */
  scratch: Float32Array;
  n: number;
  /** Rows of a block. */
  block: number;
  m: number;
  d: number;
}

/** Latents of one 8-bit product. */
export interface Slice {
  /** Their number, and the number of latents before them. */
  length: number;
  first: number;
  latents: Uint32Array;
}
