import { columnSums } from "../../kernels/column_sums.ts";
import { entryGradients } from "../../kernels/entry_gradients.ts";
import { latentSums } from "../../kernels/latent_sums.ts";
import { countLatents, fillLatents, sumBlocks } from "../../kernels/sort_by_latent.ts";
import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { Program } from "../device/program.ts";
import { scanCounts } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";
import { words } from "./words.ts";

/**
 * Factors that turn residuals into gradients: −2/(n·d) for the reconstruction (the first `half` rows
 * of the sparse rows), −2α/(n·d) for the auxiliary loss (the rest).
 */
export interface LossScales {
  /** Number of samples n. */
  half: number;
  /** Factor of the first `half` rows. */
  main: number;
  /** Factor of the other rows. */
  auxiliary: number;
  /** λ/n where the loss has λ · mean Σ f (L1), which has no auxiliary rows; default 0. */
  sparsity?: number;
}

/** Entries latent by latent: for latent i the entries latentOffsets[i] … latentOffsets[i + 1] − 1. */
export interface SparseColumns {
  /** [m + 1] offsets into the entries. */
  latentOffsets: DeviceBuffer;
  /** Row of each entry, ascending within a latent. */
  rows: DeviceBuffer;
  /** Pairs: what multiplies the residual, and what multiplies the input, in the latent's gradients. */
  factors: DeviceBuffer;
  /** Scratch: entries of each latent in each block of rows; zero at the start of a step. */
  counts: DeviceBuffer;
  /** Number of blocks. */
  blocks: number;
}

/** Makes room for the entries of sparse rows, latent by latent. */
export function createSparseColumns(
  device: Device,
  buffers: BufferSet,
  sparse: SparseRows,
  dictSize: number,
): SparseColumns {
  // Blocks of 32 rows are walked in parallel, as far as one buffer holds their counts.
  const most = Math.floor(device.limits.maxStorageBufferBindingSize / (4 * dictSize));
  const blocks = Math.max(1, Math.min(Math.ceil(sparse.rows / 32), 256, most));
  return {
    latentOffsets: buffers.zeros("latent offsets", dictSize + 1),
    rows: buffers.zeros("entry rows", sparse.capacity),
    factors: buffers.zeros("entry factors", 2 * sparse.capacity),
    counts: buffers.zeros("entries a block", blocks * dictSize),
    blocks,
  };
}

/**
 * deltas[j] = factor · e[r] · wDec[latents[j]] + sparsity: the loss's gradient by each activation. `step`
 * goes with `scales.sparsity`.
 */
export function differentiateEntries(
  p: Program,
  { sparse, weights, residual, deltas, scales, step, lanes = p.device.software ? 1 : 8 }: {
    sparse: SparseRows;
    weights: Weights;
    residual: DeviceBuffer;
    deltas: DeviceBuffer;
    scales: LossScales;
    /** Uniform {…, sparsity}: the share of `scales.sparsity` that holds. */
    step?: DeviceBuffer;
    /** Lanes that share an entry; see the kernel. */
    lanes?: 1 | 8;
  },
): void {
  for (const shard of weights.shards) {
    const sizes = p.buffers.uniform(
      "entry gradients sizes",
      words(
        [sparse.rows, scales.half, shard.first, shard.latents],
        [scales.main, scales.auxiliary, scales.sparsity ?? 0],
      ),
    );
    const bound = [sizes, sparse.offsets, sparse.latents, residual, shard.wDec, deltas];
    if (step) bound.push(step);
    const code = entryGradients({ d: weights.dModel, lanes, penalized: step !== undefined });
    p.kernel("entry gradients", code, bound, sparse.rows);
  }
}

/** Orders the entries of sparse rows by latent, rows ascending: the same order in every run. */
export function sortByLatent(
  p: Program,
  { sparse, deltas, columns, dictSize, scales }: {
    sparse: SparseRows;
    deltas: DeviceBuffer;
    columns: SparseColumns;
    dictSize: number;
    scales: LossScales;
  },
): void {
  const { blocks, counts, latentOffsets } = columns;
  const rowsPerBlock = Math.ceil(sparse.rows / blocks);
  const totals = p.buffers.zeros("entries a latent", dictSize);
  const countSizes = p.buffers.uniform("sizes", words([sparse.rows, rowsPerBlock, dictSize]));
  const sumSizes = p.buffers.uniform("sizes", words([blocks, dictSize]));
  const fillSizes = p.buffers.uniform(
    "sizes",
    words(
      [sparse.rows, rowsPerBlock, dictSize, scales.half],
      [scales.main, scales.auxiliary],
    ),
  );
  p.kernel(
    "count latents",
    countLatents(),
    [countSizes, sparse.offsets, sparse.latents, counts],
    blocks,
  );
  p.kernel("sum blocks", sumBlocks(), [sumSizes, counts, totals], Math.ceil(dictSize / 64));
  scanCounts(p, totals, latentOffsets, 0, dictSize);
  p.kernel("fill latents", fillLatents(), [
    fillSizes,
    sparse.offsets,
    sparse.latents,
    sparse.values,
    deltas,
    latentOffsets,
    counts,
    columns.rows,
    columns.factors,
  ], blocks);
}

/** gradient[i] = Σ of latent i's deltas: the gradient by the encoder bias. */
export function sumLatents(
  p: Program,
  { columns, dictSize, gradient }: {
    columns: SparseColumns;
    dictSize: number;
    gradient: DeviceBuffer;
  },
): void {
  const sizes = p.buffers.uniform("latent sums sizes", words([dictSize]));
  const bound = [sizes, columns.latentOffsets, columns.factors, gradient];
  const workgroups = Math.ceil(dictSize / 64);
  p.kernel("latent sums", latentSums(), bound, workgroups);
}

/**
 * Gradient by the decoder bias: main · Σ_r e[r] from the output, and −Σ_i bEncGradient[i] · wEnc[i]
 * from the input where the encoder reads x − bDec.
 */
export function differentiateDecoderBias(
  p: Program,
  { rows, residual, scale, weights, bEncGradient, gradient }: {
    rows: number;
    residual: DeviceBuffer;
    scale: number;
    weights: Weights;
    /** Left out where the encoder reads x itself. */
    bEncGradient?: DeviceBuffer;
    gradient: DeviceBuffer;
  },
): void {
  const d = weights.dModel;
  const across = Math.ceil(d / 64);
  // 64 rows a block keep float32 sums short; their totals are summed in a second stage.
  const parts = [
    { rows, x: residual, scale, first: 0, weight: undefined as DeviceBuffer | undefined },
    ...(bEncGradient
      ? weights.shards.map((shard) => ({
        rows: shard.latents,
        x: shard.wEnc,
        scale: -1,
        first: shard.first,
        weight: bEncGradient,
      }))
      : []),
  ];
  const total = parts.reduce((sum, part) => sum + Math.ceil(part.rows / 64), 0);
  const partial = p.buffers.zeros("partial bias gradients", total * d);
  let firstBlock = 0;
  for (const part of parts) {
    const blocks = Math.ceil(part.rows / 64);
    const sizes = p.buffers.uniform(
      "column sums sizes",
      words([part.rows, d, 64, firstBlock, part.first], [part.scale]),
    );
    const code = columnSums({ weighted: part.weight !== undefined });
    const bound = [sizes, part.x, partial, ...(part.weight ? [part.weight] : [])];
    p.kernel("column sums", code, bound, blocks * across);
    firstBlock += blocks;
  }
  const sizes = p.buffers.uniform("column sums sizes", words([total, d, total, 0, 0], [1]));
  const code = columnSums({ weighted: false });
  p.kernel("column sums", code, [sizes, partial, gradient], across);
}
