import { decode } from "../../kernels/decode.ts";
import { rowSquares } from "../../kernels/row_squares.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { addRowsOn } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/**
 * Subtracts sparse reconstructions from a target: out[firstRow + r] = target[r] − f · wDec, where f is
 * row firstRow + r of the sparse rows. With target x − bDec this is the error x − x̂ of Eq. 2. The cost is
 * proportional to the entries. Without a target it is row r of `out` itself (for the auxiliary loss, in
 * which dead latents reconstruct the residual).
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
  if (isCpu(p.device)) {
    const { offsets, latents, values } = sparse;
    const own = {
      offsets: u32(offsets),
      latents: u32(latents),
      values: f32(values),
      out: f32(out),
    };
    const wDec = f32(weights.shards[0].wDec);
    const { dModel: d } = weights;
    p.loop(decodeRows, { ...own, wDec, target: target && f32(target), firstRow, d }, rows);
    return;
  }
  for (const [index, shard] of weights.shards.entries()) {
    const { first: firstLatent, latents, wDec } = shard;
    const sourceRow = index === 0 ? 0 : firstRow;
    const targets = index === 0 ? target : undefined;
    p.kernel(decode({ d: weights.dModel, targets: targets !== undefined }), {
      sizes: { rows, firstRow, firstLatent, latents, sourceRow },
      bind: {
        ...{ offsets: sparse.offsets, latents: sparse.latents, values: sparse.values },
        ...{ wDec, out, targets },
      },
      workgroups: rows,
    });
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
  if (isCpu(p.device)) {
    p.loop(sumSquares, { x: f32(x), squares: f32(squares), cols }, rows);
    return;
  }
  p.kernel(rowSquares(), { sizes: { rows, cols }, bind: { x, squares }, workgroups: rows });
}

/** The loop of {@linkcode subtractDecoded}, over rows: out = target − Σ_j values[j] · wDec[latents[j]]. */
export function decodeRows(
  { offsets, latents, values, wDec, target, out, firstRow, d }: {
    offsets: Uint32Array;
    latents: Uint32Array;
    values: Float32Array;
    wDec: Float32Array;
    target: Float32Array | undefined;
    out: Float32Array;
    firstRow: number;
    d: number;
  },
  from: number,
  to: number,
  thread: Thread,
): void {
  const add = addRowsOn(thread);
  for (let row = from; row < to; row++) {
    const at = (firstRow + row) * d;
    // Without a target, the samples' residual, row `row` of `out`.
    out.set((target ?? out).subarray(row * d, (row + 1) * d), at);
    // Offsets also count entries above the capacity, which are not stored.
    const first = Math.min(offsets[firstRow + row], latents.length);
    const last = Math.min(offsets[firstRow + row + 1], latents.length);
    add(out, at, wDec, latents, values, { first, last, sign: -1, d });
  }
}

/** The loop of {@linkcode squareRows}, over rows; the sums are float64. */
export function sumSquares(
  { x, squares, cols }: { x: Float32Array; squares: Float32Array; cols: number },
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    let sum = 0;
    for (let at = row * cols; at < (row + 1) * cols; at++) sum += x[at] * x[at];
    squares[row] = sum;
  }
}
