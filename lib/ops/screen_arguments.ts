/** What is kept of a batch, in the order in which it was found. */
export interface Found {
  /** Row, latent and pre-activation of each entry. */
  rows: Uint32Array;
  latents: Uint32Array;
  values: Float32Array;
  /** {entries found, candidates, …}: may be more than there is room for. */
  counts: Uint32Array;
  /** [blocks, 2] first entry and number of entries of each block of rows. */
  blocks: Uint32Array;
}

/** How the cut of a pre-activation comes about. */
export type Cut = "batch" | "row" | "latent";

/** What {@linkcode screenBlocks} is given. */
export interface ScreenArguments extends Found {
  cut: Cut;
  /** "batch": [1] the cut; "latent": [m] a cut of each latent, which must be passed; "row": unused. */
  cuts: Float32Array;
  /** "row": how many of each row are wanted. */
  wanted: number;
  /** [1 + …] {count, latents}: only these take part. */
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
  /** {first bad number, …}: where a batch is not finite nothing is selected. */
  stats: Uint32Array;
  /** [1] 0: continue; 1: enough was found; 2: too many ties, which must be taken in order. */
  done: Uint32Array;
  /** Entries of each sparse row, of which the batch's first is `firstRow`. */
  kept: Uint32Array;
  firstRow: number;
  /** [threads, `scratchNumbers`] a part for each thread. */
  scratch: Float32Array;
  n: number;
  /** Rows of a block. */
  block: number;
  m: number;
  d: number;
}

/** Latents that one 8-bit product takes. */
export interface Slice {
  /** How many, and how many come before them. */
  length: number;
  first: number;
  latents: Uint32Array;
}
