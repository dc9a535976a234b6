import { appendCandidates, type CutOf } from "../../kernels/append_candidates.ts";
import { denseTiled, type Factors, TILE, vectorsOf } from "../../kernels/dense_tiled.ts";
import { exactDots } from "../../kernels/exact_dots.ts";
import {
  clearCounts,
  countListed,
  placeListed,
  planListed,
  writeListed,
} from "../../kernels/listed_rows.ts";
import { noteKept } from "../../kernels/note_kept.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Device } from "../device/device.ts";
import type { BufferBinding } from "../device/kernel.ts";
import type { Program } from "../device/program.ts";
import { type PackedBoth, screeningBound } from "./round_on_gpu.ts";
import type { Times } from "./run_where.ts";
import type { StepBuffers } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

// Exact selection by screening, on a GPU. A product of rounded numbers with a proven bound lists the
// pairs {row, latent} that may reach a cut; their exact dots, always by the same function, decide. So
// the result depends on neither the rounding nor the cut, and there is no array of [n, m].

/** A list of candidates, filled on the GPU. */
export interface Candidates {
  /** Largest number of candidates. */
  capacity: number;
  /** {row, latent} of each. */
  pairs: DeviceBuffer;
  /** Bits of their pre-activations, 0 for those that do not reach the cut. */
  values: DeviceBuffer;
  /** {latent, bits} of those that are kept, row by row. */
  placed: DeviceBuffer;
  /** See `STATE`. */
  state: DeviceBuffer;
  /** Scratch: two counts for each row. */
  counts: DeviceBuffer;
  /** [rows + 1] offsets of the rows in `placed`. */
  starts: DeviceBuffer;
  /** [rows] {bits of the limit, number of equals to keep} per row, followed by scratch. */
  limits: DeviceBuffer;
}

/** Operands of a screening: rows [rows, d], or a range of them, and latents. */
export interface Operands {
  rows: number;
  input: BufferBinding;
  weights: Weights;
  /** {count, latents}: only these latents take part. */
  among?: DeviceBuffer;
}

/** Makes room for `wanted` candidates of batches of `rows` rows, as far as there can be so many. */
export function createCandidates(
  p: Program,
  rows: number,
  cols: number,
  wanted: number,
): Candidates {
  // A binding must hold two words per candidate.
  const bound = Math.floor(p.device.limits.maxStorageBufferBindingSize / 8);
  const capacity = Math.max(1, Math.min(rows * cols, wanted, bound));
  return {
    capacity,
    pairs: p.buffers.zeros("candidates", 2 * capacity),
    values: p.buffers.zeros("values of candidates", capacity),
    placed: p.buffers.zeros("candidates by row", 2 * capacity),
    state: p.buffers.zeros("state of the selection", 4),
    counts: p.buffers.zeros("candidates per row", 2 * rows),
    starts: p.buffers.zeros("starts of rows", rows + 1),
    limits: p.buffers.zeros("limits of rows", 4 * rows),
  };
}

/** Number of workgroups that process a list: enough to fill a GPU; few on software adapters. */
export const walkers = (device: Device, length: number, each: number): number =>
  Math.min(device.software ? 16 : 2048, Math.ceil(length / each));

/** Options of a product: one kernel for all widths, except float32 widths that 4 does not divide. */
export function productOptions(factors: Factors, d: number): {
  d: number;
  factors: Factors;
  vectors?: string;
} {
  const fixed = factors === "float32" && d % 4 !== 0;
  return { d, factors, vectors: fixed ? undefined : "sizes.vectors" };
}

/** Workgroups of a product of rows and a shard's latents, or of those in a list. */
export const tilesOf = (rows: number, latents: number, times?: Times) =>
  times ? times(Math.ceil(rows / TILE), TILE) : Math.ceil(rows / TILE) * Math.ceil(latents / TILE);

/** Lists the pairs whose estimate plus bound reaches its cut. */
export function listCandidates(
  p: Program,
  { rows, weights, among }: Operands,
  packed: PackedBoth,
  { cutOf, cuts, list: { capacity, state, pairs }, times }: {
    cutOf: CutOf;
    cuts: DeviceBuffer;
    list: Candidates;
    times?: Times;
  },
): void {
  const { factors, samples, shards } = packed;
  const d = weights.dModel;
  const listed = among !== undefined;
  const product = denseTiled({
    ...{ ...productOptions(factors, d), listed: listed as boolean },
    epilogue: appendCandidates({ cutOf, factors, listed }),
  });
  for (const [index, { first, latents }] of weights.shards.entries()) {
    p.kernel(product, {
      sizes: {
        ...{ rows, cols: latents, firstRow: 0, vectors: vectorsOf(factors, d), first, capacity },
        ...screeningBound(factors, d),
      },
      bind: {
        ...{ x: samples.numbers, w: shards[index].numbers },
        ...{ rowFacts: samples.facts, latentFacts: shards[index].facts },
        ...{ cuts, state, pairs, list: among },
      },
      workgroups: tilesOf(rows, latents, times),
    });
  }
}

/** The exact pre-activations of listed pairs. */
export function evaluate(
  p: Program,
  { input, weights }: Operands,
  { cutOf, cuts, list }: { cutOf: CutOf; cuts: DeviceBuffer; list: Candidates },
): void {
  const { capacity, pairs, state, values } = list;
  for (const { first, latents, wEnc } of weights.shards) {
    p.kernel(exactDots({ d: weights.dModel, cutOf }), {
      sizes: { first, latents, capacity },
      bind: { x: input, w: wEnc, bias: weights.bEnc, pairs, state, cuts, values },
      workgroups: walkers(p.device, capacity, 64),
    });
  }
}

/**
 * Sorts listed values that reach the threshold of `selection` by row, and writes each row's `limits` and
 * the `offsets` of the sparse rows from row `firstOut` on.
 */
export function placeCandidates(
  p: Program,
  { list, selection, rows, out, firstOut = 0 }: {
    list: Candidates;
    selection: DeviceBuffer;
    rows: number;
    out: SparseRows;
    firstOut?: number;
  },
): void {
  const { capacity, pairs, values, state, counts, starts, placed } = list;
  const own = { pairs, values, state, selection, counts };
  const workgroups = walkers(p.device, capacity, 64);
  clear(p, counts, 2 * rows);
  p.kernel(countListed(), { sizes: { capacity }, bind: own, workgroups });
  planRows(p, { selection, list, rows, out, firstOut });
  p.kernel(placeListed(), { sizes: { capacity }, bind: { ...own, starts, placed }, workgroups });
}

/** Sets `length` words to zero. */
export function clear(p: Program, counts: DeviceBuffer, length: number): void {
  const workgroups = Math.ceil(length / 64);
  p.kernel(clearCounts(), { sizes: { length }, bind: { counts }, workgroups });
}

/** Computes limits and offsets of rows from their counts. */
export function planRows(
  p: Program,
  { selection, list: { counts, starts, limits }, rows, out: { offsets }, firstOut = 0 }: {
    selection: DeviceBuffer;
    list: Candidates;
    rows: number;
    out: SparseRows;
    firstOut?: number;
  },
): void {
  const bind = { selection, counts, starts, limits, offsets };
  p.kernel(planListed(), { sizes: { rows, firstOut }, bind, workgroups: 1 });
}

/** Writes `placed` by `limits` as sparse rows from row `firstOut` on. */
export function writeCandidates(
  p: Program,
  { list: { starts, placed, limits }, rows, cols, out, firstOut = 0 }: {
    list: Candidates;
    rows: number;
    cols: number;
    out: SparseRows;
    firstOut?: number;
  },
): void {
  const { offsets, latents, values, capacity } = out;
  p.kernel(writeListed(), {
    sizes: { rows, cols, firstOut, capacity },
    bind: { starts, placed, limits, offsets, latents, values },
    workgroups: rows,
  });
}

/** Records which latents are active, and the smallest value. */
export function noteEntries(
  p: Program,
  { rows, out, step, lastActive, stats }: { rows: number; out: SparseRows } & StepBuffers,
): void {
  const { offsets, latents, values, capacity } = out;
  p.kernel(noteKept(), {
    sizes: { rows, capacity },
    bind: { step, offsets, latents, values, lastActive, stats },
    workgroups: walkers(p.device, capacity, 64),
  });
}
