// Sparse rows to sparse columns (CSR to CSC) on the CPU: count, place, fill; see `sortByLatent`.

/** Counts the entries of each latent per block of rows, over blocks. */
export function countByLatent(
  { offsets, latents, counts, rows, rowsPerBlock, dictSize }: {
    offsets: Uint32Array;
    latents: Uint32Array;
    counts: Uint32Array;
    rows: number;
    rowsPerBlock: number;
    dictSize: number;
  },
  from: number,
  to: number,
): void {
  for (let block = from; block < to; block++) {
    const own = counts.subarray(block * dictSize, (block + 1) * dictSize).fill(0);
    const last = offsets[Math.min(rows, (block + 1) * rowsPerBlock)];
    for (let j = offsets[Math.min(rows, block * rowsPerBlock)]; j < last; j++) own[latents[j]]++;
  }
}

/** Turns counts into offsets by latent and block, one work item. */
export function placeLatents(
  { counts, latentOffsets, blocks, dictSize }: {
    counts: Uint32Array;
    latentOffsets: Uint32Array;
    blocks: number;
    dictSize: number;
  },
): void {
  let place = 0;
  for (let latent = 0; latent < dictSize; latent++) {
    latentOffsets[latent] = place;
    for (let at = latent; at < blocks * dictSize; at += dictSize) {
      const count = counts[at];
      counts[at] = place;
      place += count;
    }
  }
  latentOffsets[dictSize] = place;
}

/** The loop of {@linkcode sortByLatent}'s last part, over blocks of rows. */
export function fillByLatent(
  { offsets, latents, values, deltas, counts, rowsOut, factors, ...sizes }: {
    offsets: Uint32Array;
    latents: Uint32Array;
    values: Float32Array;
    deltas: Float32Array;
    counts: Uint32Array;
    rowsOut: Uint32Array;
    factors: Float32Array;
    rows: number;
    rowsPerBlock: number;
    dictSize: number;
    half: number;
    main: number;
    auxiliary: number;
  },
  from: number,
  to: number,
): void {
  const { rows, rowsPerBlock, dictSize, half, main, auxiliary } = sizes;
  for (let block = from; block < to; block++) {
    const places = counts.subarray(block * dictSize, (block + 1) * dictSize);
    const last = Math.min(rows, (block + 1) * rowsPerBlock);
    for (let row = block * rowsPerBlock; row < last; row++) {
      const scale = Math.fround(row < half ? main : auxiliary);
      for (let j = offsets[row]; j < offsets[row + 1]; j++) {
        const place = places[latents[j]]++;
        rowsOut[place] = row;
        factors[2 * place] = scale * values[j];
        factors[2 * place + 1] = deltas[j];
      }
    }
  }
}
