import { decode } from "../../kernels/decode.ts";
import { rowSquares } from "../../kernels/row_squares.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";
import { words } from "./words.ts";

/**
 * What sparse reconstructions leave of a target: out[firstRow + r] = target[r] − f · wDec, f being row
 * firstRow + r of the sparse rows. With target x − bDec this is the error x − x̂ of Eq. 2. Nothing is
 * multiplied by zero: the cost is that of the entries. Without a target it is row r of `out` itself
 * (for what dead latents leave of the residual).
 */
export function subtractDecoded(
  p: Program,
  { rows, firstRow = 0, sparse, weights, target, out }: {
    rows: number;
    firstRow?: number;
    sparse: SparseRows;
    weights: Weights;
    target?: DeviceBuffer;
    out: DeviceBuffer;
  },
): void {
  for (const [index, shard] of weights.shards.entries()) {
    const start = index === 0 ? target : undefined;
    const sizes = p.buffers.uniform(
      "decode sizes",
      words([rows, firstRow, shard.first, shard.latents, index === 0 ? 0 : firstRow]),
    );
    const bound = [sizes, sparse.offsets, sparse.latents, sparse.values, shard.wDec, out];
    if (start) bound.push(start);
    const code = decode({ d: weights.dModel, target: start !== undefined });
    p.kernel("decode", code, bound, rows);
  }
}

/** squares[r] = Σ_c x[r, c]². */
export function squareRows(
  p: Program,
  { rows, cols, x, squares }: {
    rows: number;
    cols: number;
    x: DeviceBuffer;
    squares: DeviceBuffer;
  },
): void {
  const sizes = p.buffers.uniform("row squares sizes", words([rows, cols]));
  p.kernel("row squares", rowSquares(), [sizes, x, squares], rows);
}
