import { STATE } from "../../kernels/append_candidates.ts";
import { denseTiled, vectorsOf } from "../../kernels/dense_tiled.ts";
import {
  chooseRowDigit,
  exactRowDigits,
  exactRows,
  ROW_BINS,
  ROW_DIGITS,
} from "../../kernels/exact_dots.ts";
import {
  chooseGroups,
  cutRows,
  judgeRows,
  limitRows,
  raiseMaxima,
} from "../../kernels/row_cuts.ts";
import type { BufferBinding, BufferRange } from "../device/kernel.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import {
  type Candidates,
  clear,
  createCandidates,
  evaluate,
  listCandidates,
  type Operands,
  placeCandidates,
  productOptions,
  tilesOf,
  writeCandidates,
} from "./candidates.ts";
import { packBoth, type PackedBoth, type PackedRows, wordsOf } from "./round_on_gpu.ts";
import { runWhere, type Times } from "./run_where.ts";
import { scanCounts } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/** Largest number of candidates of a list: 40 MB. */
const LISTED = 2 ** 21;

/** Arguments of {@linkcode selectLargest}. */
export interface RowSelection {
  rows: number;
  input: DeviceBuffer;
  weights: Weights;
  /** Number of latents to keep per row. */
  wanted: number;
  out: SparseRows;
  /** First row of `out` (default 0). */
  firstOut?: number;
  /** {count, latents}: only these latents are considered. */
  among?: DeviceBuffer;
  /** The batch and the encoder, rounded. */
  packed: PackedBoth;
  /** Largest number of candidates (default: by `wanted`). */
  most?: number;
}

/**
 * Keeps the `wanted` largest positive pre-activations of each row, or all if there are fewer; ties are
 * broken by latent order. Each row has a cut that at least `wanted` reach, see kernels/row_cuts.ts. If the
 * list is full, it is made again with float32's bounds; if that fails too, all pre-activations are computed
 * one by one, nine times. `out.kept` must be zero; with an empty `among` nothing runs.
 *
 * @returns The state of the last part of the batch; see `STATE`.
 */
export function selectLargest(p: Program, selection: RowSelection): { state: DeviceBuffer } {
  const { rows, input, weights, wanted, out, firstOut = 0, among, packed, most = Infinity } =
    selection;
  const { dModel: d, dictSize: m, shards } = weights;
  // Up to eight candidates per entry. Parts begin at multiples of 64 rows, as ranges of buffers must.
  const perRow = Math.min(m, (among ? 4 : 8) * wanted);
  const atOnce = Math.min(
    rows,
    Math.max(64, Math.floor(Math.min(LISTED, most) / perRow / 64) * 64),
  );
  const list = createCandidates(p, atOnce, m, Math.min(most, Math.max(65536, atOnce * perRow)));
  const groups = groupsOf(p, { atOnce, wanted, m, shards: shards.length });
  const scratch: Scratch = {
    ...{ list, groups },
    maxima: p.buffers.zeros("maxima of groups", atOnce * groups),
    leasts: p.buffers.zeros("least maxima of rows", atOnce),
    cuts: p.buffers.zeros("cuts of rows", atOnce),
    none: p.buffers.zeros("no threshold", 2),
    digits: p.buffers.zeros("digits of rows", atOnce * ROW_BINS),
  };
  for (let first = 0; first < rows; first += atOnce) {
    const count = Math.min(atOnce, rows - first);
    const part = { rows: count, input: rangeOf(input, first, count, d), weights, among };
    const own = { ...scratch, wanted, out, firstOut: firstOut + first };
    selectPart(p, part, cutPacked(packed, first, count, d), own);
  }
  return { state: list.state };
}

interface Scratch {
  list: Candidates;
  groups: number;
  maxima: DeviceBuffer;
  leasts: DeviceBuffer;
  cuts: DeviceBuffer;
  none: DeviceBuffer;
  digits: DeviceBuffer;
}

/** Number of groups of columns: four per latent to keep, as far as their maxima fit into one binding. */
function groupsOf(
  p: Program,
  { atOnce, wanted, m, shards }: { atOnce: number; wanted: number; m: number; shards: number },
): number {
  const most = Math.floor(p.device.limits.maxStorageBufferBindingSize / (4 * atOnce));
  const useful = Math.min(Math.ceil(m / 4), Math.max(64, 4 * wanted));
  // A shard starts its own group.
  return Math.max(shards + 2, Math.min(most, useful + shards + 1));
}

function selectPart(
  p: Program,
  part: Operands,
  packed: PackedBoth,
  { list, wanted, out, firstOut, ...scratch }: Scratch & {
    wanted: number;
    out: SparseRows;
    firstOut: number;
  },
): void {
  const { rows, weights: { dictSize: cols }, among } = part;
  const { cuts, none: selection } = scratch;
  const { state, capacity } = list;
  const how = { cutOf: "row", cuts, list } as const;
  const whereAny = (append: (p: Program, times?: Times) => void) =>
    among ? runWhere(p, { flags: among, at: 0 }, append) : append(p);
  clear(p, state, 4);
  const judge = (p: Program, last: number) =>
    p.kernel(judgeRows(), { sizes: { capacity, last }, bind: { state }, workgroups: 1 });
  whereAny((p, times) => {
    predictCuts(p, part, packed, { ...scratch, wanted, times });
    listCandidates(p, part, packed, { ...how, times });
    evaluate(p, part, how);
    judge(p, 0);
  });
  runWhere(p, { flags: state, at: STATE.retry }, (p) => {
    const exact = { factors: "float32", rows, input: part.input, weights: part.weights } as const;
    listCandidates(p, part, packBoth(p, exact), how);
    evaluate(p, part, how);
    judge(p, 1);
  });
  whereAny((p) => {
    placeCandidates(p, { list, selection, rows, out, firstOut });
    const { starts, placed, limits } = list;
    p.kernel(limitRows(), {
      sizes: { rows, wanted, firstOut },
      bind: { starts, placed, limits, kept: out.kept },
      workgroups: rows,
    });
  });
  const failed = { flags: state, at: STATE.failed };
  runWhere(p, failed, (p) => limitAll(p, part, { list, wanted, out, firstOut, ...scratch }));
  scanCounts(p, out.kept, out.offsets, firstOut, rows);
  whereAny((p) => writeCandidates(p, { list, rows, cols, out, firstOut }));
  runWhere(p, failed, (p) => writeAll(p, part, { list, out, firstOut }));
}

/** Computes cuts that at least `wanted` of each row's pre-activations reach. */
function predictCuts(
  p: Program,
  { rows, input, weights, among }: Operands,
  { factors, samples, shards }: PackedBoth,
  { groups, maxima, leasts, cuts, wanted, times }:
    & Omit<Scratch, "list">
    & { wanted: number; times?: Times },
): void {
  const { dModel: d, dictSize: all, bEnc: bias } = weights;
  const listed: boolean = among !== undefined;
  const product = denseTiled({
    ...{ ...productOptions(factors, d), listed },
    epilogue: raiseMaxima({ factors, listed }),
  });
  const sizesOf = (shard: number) => ({ groups, shards: weights.shards.length, shard, all });
  clear(p, maxima, rows * groups);
  for (const [index, { first, latents }] of weights.shards.entries()) {
    const vectors = vectorsOf(factors, d);
    p.kernel(product, {
      sizes: { rows, cols: latents, firstRow: 0, vectors, first, ...sizesOf(index) },
      bind: {
        ...{ x: samples.numbers, w: shards[index].numbers },
        ...{ rowFacts: samples.facts, latentFacts: shards[index].facts, maxima, list: among },
      },
      workgroups: tilesOf(rows, latents, times),
    });
  }
  p.kernel(chooseGroups(), {
    sizes: { rows, groups, wanted },
    bind: { maxima, leasts, cuts },
    workgroups: rows,
  });
  for (const [index, { first, latents, wEnc }] of weights.shards.entries()) {
    p.kernel(cutRows({ d, listed }), {
      sizes: { rows, first, latents, ...sizesOf(index) },
      bind: { x: input, w: wEnc, bias, maxima, leasts, cuts, list: among },
      workgroups: rows,
    });
  }
}

/** Computes each row's limit from all of its pre-activations. */
function limitAll(
  p: Program,
  { rows, input, weights: { dModel: d, shards, bEnc: bias }, among }: Operands,
  { list: { limits }, digits: counts, wanted, out: { kept }, firstOut }:
    & Pick<Scratch, "list" | "digits">
    & { wanted: number; out: SparseRows; firstOut: number },
): void {
  const listed: boolean = among !== undefined;
  clear(p, counts, rows * ROW_BINS);
  for (const [pass, digit] of ROW_DIGITS.entries()) {
    for (const { first, latents, wEnc } of shards) {
      p.kernel(exactRowDigits({ d, ...digit, later: pass > 0, listed }), {
        sizes: { rows, first, latents },
        bind: {
          ...{ x: input, w: wEnc, bias, counts, list: among },
          limits: pass > 0 ? limits : undefined,
        },
        workgroups: rows,
      });
    }
    p.kernel(chooseRowDigit({ shift: digit.shift, first: pass === 0 }), {
      sizes: { rows, wanted, firstOut },
      bind: { counts, limits, kept: pass === 0 ? kept : undefined },
      workgroups: Math.ceil(rows / 64),
    });
  }
}

/** Writes the pre-activations that reach their row's limit. */
function writeAll(
  p: Program,
  { rows, input, weights: { dModel: d, shards, bEnc: bias }, among }: Operands,
  { list: { limits }, out, firstOut }: { list: Candidates; out: SparseRows; firstOut: number },
): void {
  const { offsets, latents: outLatents, values, capacity } = out;
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactRows({ d, listed: among !== undefined }), {
      sizes: { rows, first, latents, firstOut, capacity, fresh: first === 0 ? 1 : 0 },
      bind: { x: input, w: wEnc, bias, limits, offsets, latents: outLatents, values, list: among },
      workgroups: rows,
    });
  }
}

/** `rows` rows from row `first` on of a buffer with rows of `width` words. */
function rangeOf(
  buffer: BufferBinding,
  first: number,
  rows: number,
  width: number,
): BufferRange {
  const whole = "buffer" in buffer ? buffer.buffer : buffer;
  return { buffer: whole, offset: 4 * first * width, size: 4 * rows * width };
}

function cutPacked(packed: PackedBoth, first: number, rows: number, d: number): PackedBoth {
  const { factors, samples } = packed;
  const cut = ({ numbers, facts }: PackedRows, width: number): PackedRows => ({
    numbers: rangeOf(numbers, first, rows, width),
    facts: rangeOf(facts, first, rows, 4),
  });
  return { ...packed, rows, samples: cut(samples, wordsOf(factors, d)) };
}
