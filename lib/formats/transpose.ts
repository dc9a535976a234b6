// A tile's 32 rows of 32 floats (128 bytes per row) fit the first-level cache on both sides.
const tile = 32;

/**
 * Transposes a block of one matrix into a block of another: element (r, c) of the source goes to
 * (c, r) of the target.
 *
 * @param source Row-major elements; the block starts at `sourceOffset`, rows are `sourceStride` apart.
 * @param rows Rows of the source block.
 * @param cols Columns of the source block.
 * @param target Row-major elements; the block starts at `targetOffset`, rows are `targetStride` apart.
 */
export function transposeBlock(
  source: Float32Array,
  sourceOffset: number,
  sourceStride: number,
  rows: number,
  cols: number,
  target: Float32Array,
  targetOffset: number,
  targetStride: number,
): void {
  for (let r0 = 0; r0 < rows; r0 += tile) {
    const r1 = Math.min(rows, r0 + tile);
    for (let c0 = 0; c0 < cols; c0 += tile) {
      const c1 = Math.min(cols, c0 + tile);
      for (let c = c0; c < c1; c++) {
        const to = targetOffset + c * targetStride;
        let from = sourceOffset + r0 * sourceStride + c;
        for (let r = r0; r < r1; r++, from += sourceStride) target[to + r] = source[from];
      }
    }
  }
}
