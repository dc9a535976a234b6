// Sums of columns on the CPU; see `differentiateDecoderBias`.

/** partial[firstBlock + b] = scale · Σ_r weight[r] · x[r] over 64 rows each, over blocks. */
export function sumBlocksOfRows(
  { x, rows, weight, scale, firstBlock, partial, d }: {
    x: Float32Array;
    rows: number;
    weight: Float32Array | undefined;
    scale: number;
    firstBlock: number;
    partial: Float32Array;
    d: number;
  },
  from: number,
  to: number,
): void {
  const factor = Math.fround(scale);
  for (let block = from; block < to; block++) {
    const own = partial.subarray((firstBlock + block) * d, (firstBlock + block + 1) * d).fill(0);
    const last = Math.min(rows, 64 * (block + 1));
    for (let row = 64 * block; row < last; row++) {
      const w = weight ? weight[row] : 1;
      if (w === 0) continue;
      for (let c = 0, at = row * d; c < d; c++, at++) own[c] += Math.fround(w * x[at]);
    }
    for (let c = 0; c < d; c++) own[c] *= factor;
  }
}

/** gradient[c] = Σ_b partial[b, c], over columns; the sums are float64. */
export function addBlocks(
  { partial, blocks, gradient, d }: {
    partial: Float32Array;
    blocks: number;
    gradient: Float32Array;
    d: number;
  },
  from: number,
  to: number,
): void {
  for (let c = from; c < to; c++) {
    let sum = 0;
    for (let block = 0; block < blocks; block++) sum += partial[block * d + c];
    gradient[c] = sum;
  }
}
