import type { CpuDenseBuffers, GpuDenseBuffers } from "./dense_buffers.ts";
import { STEP_AT } from "../../kernels/prelude.ts";
import { columnSums } from "../../kernels/column_sums.ts";
import { entryGradients } from "../../kernels/entry_gradients.ts";
import { latentSums } from "../../kernels/latent_sums.ts";
import { countLatents, fillLatents, sumBlocks } from "../../kernels/sort_by_latent.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { dotOn } from "./arithmetic.ts";
import { countByLatent, fillByLatent, placeLatents } from "./sort_on_cpu.ts";
import { addBlocks, sumBlocksOfRows } from "./sum_on_cpu.ts";
import type { BufferSet, DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import { scanCounts } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/**
 * Factors between residuals and gradients: −2/(n·d) for the reconstruction (the first `half` rows of the
 * sparse rows), −2α/(n·d) for the auxiliary loss (the other rows).
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

/** Entries sorted by latent (CSC): those of latent i are latentOffsets[i] … latentOffsets[i + 1] − 1. */
export interface SparseColumns {
  /** [m + 1] offsets into the entries. */
  latentOffsets: DeviceBuffer;
  /** Row of the residual for each entry, ascending within a latent. */
  rows: DeviceBuffer;
  /** Row of the input for each entry, where it differs from that of the residual. */
  samples?: DeviceBuffer;
  /** Pairs: factors of the residual and of the input in the latent's gradients. */
  factors: DeviceBuffer;
  /** Scratch: entries of each latent in each block of rows; zero at the start of a step. */
  counts: DeviceBuffer;
  /** Number of blocks. */
  blocks: number;
  /** Gradients of dense products, where a step on the CPU may use them. */
  dense?: CpuDenseBuffers;
  /** Gradients of dense products, where a step on a GPU uses them instead of entries. */
  gpuDense?: GpuDenseBuffers;
}

/** Allocates the entries of sparse rows, sorted by latent. */
export function createSparseColumns(
  device: Device,
  buffers: BufferSet,
  sparse: SparseRows,
  dictSize: number,
): SparseColumns {
  // Blocks of 32 rows are processed in parallel, as far as their counts fit into one binding and 32 MiB.
  const bytes = Math.min(2 ** 25, device.limits.maxStorageBufferBindingSize);
  const most = Math.floor(bytes / (4 * dictSize));
  const atMost = isCpu(device) ? 16 : 256;
  const blocks = Math.max(1, Math.min(Math.ceil(sparse.rows / 32), atMost, most));
  return {
    latentOffsets: buffers.zeros("latent offsets", dictSize + 1),
    rows: buffers.zeros("entry rows", sparse.capacity),
    factors: buffers.zeros("entry factors", 2 * sparse.capacity),
    counts: buffers.zeros("entries per block", blocks * dictSize),
    blocks,
  };
}

/**
 * deltas[j] = factor · e[r] · wDec[latents[j]] + sparsity: the gradient of the loss with respect to each
 * activation. `step` is needed with `scales.sparsity`.
 */
export function differentiateEntries(
  p: Program,
  { sparse, weights, residual, deltas, scales, step, lanes = p.device.software ? 1 : 8 }: {
    sparse: SparseRows;
    weights: Weights;
    residual: DeviceBuffer;
    deltas: DeviceBuffer;
    scales: LossScales;
    /** Uniform {…, sparsity}: the current share of `scales.sparsity`. */
    step?: DeviceBuffer;
    /** Lanes per entry; see the kernel. */
    lanes?: 1 | 8;
  },
): void {
  if (isCpu(p.device)) {
    const { offsets, latents } = sparse;
    p.loop(differentiateRows, {
      ...{ offsets: u32(offsets), latents: u32(latents), residual: f32(residual) },
      ...{ wDec: f32(weights.shards[0].wDec), deltas: f32(deltas), step: step && f32(step) },
      ...scales,
      d: weights.dModel,
    }, sparse.rows);
    return;
  }
  for (const shard of weights.shards) {
    const { rows, offsets, latents } = sparse;
    const { half, main, auxiliary, sparsity = 0 } = scales;
    const penalized = step !== undefined;
    p.kernel(entryGradients({ d: weights.dModel, lanes, penalized }), {
      sizes: {
        ...{ rows, half, main, auxiliary, sparsity },
        ...{ firstLatent: shard.first, latents: shard.latents },
      },
      bind: { offsets, latents, residual, wDec: shard.wDec, deltas, step },
      workgroups: rows,
    });
  }
}

/** Sorts the entries of sparse rows by latent, then by row: the same order in every run. */
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
  if (isCpu(p.device)) {
    const { blocks, counts, latentOffsets, rows, factors } = columns;
    const { offsets, latents, values } = sparse;
    const rowsPerBlock = Math.ceil(sparse.rows / blocks);
    const shared = {
      ...{ rows: sparse.rows, rowsPerBlock, blocks, dictSize, counts: u32(counts) },
      ...{ offsets: u32(offsets), latents: u32(latents), latentOffsets: u32(latentOffsets) },
    };
    p.loop(countByLatent, shared, blocks, 1);
    p.loop(placeLatents, shared, 1);
    p.loop(
      fillByLatent,
      {
        ...shared,
        ...{ values: f32(values), deltas: f32(deltas), rowsOut: u32(rows), factors: f32(factors) },
        ...{ half: scales.half, main: scales.main, auxiliary: scales.auxiliary },
      },
      blocks,
      1,
    );
    return;
  }
  const { blocks, counts, latentOffsets, rows, factors } = columns;
  const { offsets, latents, values } = sparse;
  const { half, main, auxiliary } = scales;
  const totals = p.buffers.zeros("entries per latent", dictSize);
  const sizes = {
    ...{ rows: sparse.rows, rowsPerBlock: Math.ceil(sparse.rows / blocks), latents: dictSize },
  };
  p.kernel(countLatents(), { sizes, bind: { offsets, latents, counts }, workgroups: blocks });
  p.kernel(sumBlocks(), {
    sizes: { blocks, latents: dictSize },
    bind: { counts, totals },
    workgroups: Math.ceil(dictSize / 64),
  });
  scanCounts(p, totals, latentOffsets, 0, dictSize);
  p.kernel(fillLatents(), {
    sizes: { ...sizes, half, main, auxiliary },
    bind: { offsets, latents, values, deltas, latentOffsets, counts, rows, factors },
    workgroups: blocks,
  });
}

/** gradient[i] = Σ of latent i's deltas: the gradient with respect to the encoder bias. */
export function sumLatents(
  p: Program,
  { columns, dictSize, gradient }: {
    columns: SparseColumns;
    dictSize: number;
    gradient: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    const { latentOffsets, factors } = columns;
    const own = { latentOffsets: u32(latentOffsets), factors: f32(factors) };
    p.loop(sumDeltas, { ...own, gradient: f32(gradient) }, dictSize);
    return;
  }
  const { latentOffsets, factors } = columns;
  p.kernel(latentSums(), {
    sizes: { latents: dictSize },
    bind: { latentOffsets, factors, sums: gradient },
    workgroups: Math.ceil(dictSize / 64),
  });
}

/**
 * Gradient with respect to the decoder bias: main · Σ_r e[r] from the output, and −Σ_i bEncGradient[i] ·
 * wEnc[i] from the input where the encoder reads x − bDec.
 */
export function differentiateDecoderBias(
  p: Program,
  { rows, residual, scale, weights, bEncGradient, gradient }: {
    rows: number;
    residual: DeviceBuffer;
    scale: number;
    weights: Weights;
    /** Absent where the encoder reads x itself. */
    bEncGradient?: DeviceBuffer;
    gradient: DeviceBuffer;
  },
): void {
  if (isCpu(p.device)) {
    const { dModel: d, dictSize } = weights;
    const blocks = Math.ceil(rows / 64);
    const more = bEncGradient ? Math.ceil(dictSize / 64) : 0;
    const partial = f32(p.buffers.zeros("partial bias gradients", (blocks + more) * d));
    const own = { x: f32(residual), rows, weight: undefined, scale, firstBlock: 0, partial, d };
    p.loop(sumBlocksOfRows, own, blocks);
    if (bEncGradient) {
      const wEnc = f32(weights.shards[0].wEnc);
      const weighted = { x: wEnc, rows: dictSize, weight: f32(bEncGradient), scale: -1 };
      p.loop(sumBlocksOfRows, { ...weighted, firstBlock: blocks, partial, d }, more);
    }
    p.loop(addBlocks, { partial, blocks: blocks + more, gradient: f32(gradient), d }, d);
    return;
  }
  const d = weights.dModel;
  const across = Math.ceil(d / 64);
  // Blocks of 64 rows keep float32 sums short; their totals are summed in a second stage.
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
    const { rows, x, weight, scale, first: firstWeight } = part;
    p.kernel(columnSums({ weighted: weight !== undefined }), {
      sizes: { rows, cols: d, rowsPerBlock: 64, firstBlock, firstWeight, scale },
      bind: { x, out: partial, weight },
      workgroups: blocks * across,
    });
    firstBlock += blocks;
  }
  p.kernel(columnSums({ weighted: false }), {
    sizes: { rows: total, cols: d, rowsPerBlock: total, firstBlock: 0, firstWeight: 0, scale: 1 },
    bind: { x: partial, out: gradient },
    workgroups: across,
  });
}

/** The loop of {@linkcode differentiateEntries}, over rows. */
export function differentiateRows(
  { offsets, latents, residual, wDec, deltas, step, half, main, auxiliary, sparsity = 0, d }:
    & {
      offsets: Uint32Array;
      latents: Uint32Array;
      residual: Float32Array;
      wDec: Float32Array;
      deltas: Float32Array;
      step: Float32Array | undefined;
      d: number;
    }
    & LossScales,
  from: number,
  to: number,
  thread: Thread,
): void {
  const dot = dotOn(thread);
  const penalty = step ? Math.fround(Math.fround(sparsity) * step[STEP_AT.sparsity]) : 0;
  for (let row = from; row < to; row++) {
    const scale = Math.fround(row < half ? main : auxiliary);
    for (let j = offsets[row]; j < offsets[row + 1]; j++) {
      deltas[j] = Math.fround(scale * dot(residual, row * d, wDec, latents[j] * d, d)) + penalty;
    }
  }
}

/** The loop of {@linkcode sumLatents}, over latents; the sums are float64. */
export function sumDeltas(
  { latentOffsets, factors, gradient }: {
    latentOffsets: Uint32Array;
    factors: Float32Array;
    gradient: Float32Array;
  },
  from: number,
  to: number,
): void {
  for (let latent = from; latent < to; latent++) {
    let sum = 0;
    for (let j = latentOffsets[latent]; j < latentOffsets[latent + 1]; j++) {
      sum += factors[2 * j + 1];
    }
    gradient[latent] = sum;
  }
}
