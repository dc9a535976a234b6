import { STATE } from "../../kernels/append_candidates.ts";
import { judgeCut, predictCut, sampleCut } from "../../kernels/batch_cut.ts";
import { chooseDigit } from "../../kernels/choose_digit.ts";
import type { Factors } from "../../kernels/dense_tiled.ts";
import { exactCounts, exactDigits, exactRows } from "../../kernels/exact_dots.ts";
import { histogram } from "../../kernels/histogram.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
import {
  type Candidates,
  clear,
  createCandidates,
  evaluate,
  listCandidates,
  noteEntries,
  type Operands,
  placeCandidates,
  planRows,
  walkers,
  writeCandidates,
} from "./candidates.ts";
import { packBoth, type PackedBoth } from "./round_on_gpu.ts";
import { runWhere } from "./run_where.ts";
import { DIGITS, type StepBuffers } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";

/** Number of rows from which the first cut is taken. */
const SAMPLE = 16;

/** Result of a selection of a batch. */
export interface BatchSelection {
  /** {bits of the threshold, number of equals to keep, …}: the next cut is predicted from it. */
  selection: DeviceBuffer;
  /** State; see `STATE`. */
  state: DeviceBuffer;
  /** The batch and the encoder, rounded. */
  packed: PackedBoth;
}

/**
 * BatchTopK (Eq. 7): keeps the `wanted` largest positive pre-activations of the batch, or all if there are
 * fewer; ties are broken by (row, latent) order. The cut is predicted from the last threshold. If the
 * prediction was wrong, up to two more screenings follow with float32's bounds. If they fail too, because
 * more numbers than the list's capacity are within rounding errors of the threshold, all are computed one
 * by one, five times. The CPU does not wait: kernels that are not needed are skipped.
 */
export function selectBatch(
  p: Program,
  { rows, input, weights, wanted, out, factors, most = Infinity, ...notes }:
    & Omit<Operands, "input" | "among">
    & {
      input: DeviceBuffer;
      wanted: number;
      out: SparseRows;
      /** Number format of the first screening. */
      factors: Factors;
      /** Largest number of candidates (default: 8 · wanted, at least 65,536). */
      most?: number;
    }
    & StepBuffers,
): BatchSelection {
  const operands = { rows, input, weights };
  const cols = weights.dictSize;
  // Up to six candidates per kept entry were measured, where a few coordinates are much larger than others.
  const list = createCandidates(p, rows, cols, Math.min(most, Math.max(8 * wanted, 65536)));
  const { state, capacity } = list;
  const selection = p.buffers.zeros("selection", 4);
  const cut = p.buffers.zeros("cut", 1);
  const counts = p.buffers.zeros("histogram", 2048);
  const packed = packBoth(p, { ...operands, factors });
  p.kernel(predictCut(), { sizes: {}, bind: { selection, cut, state }, workgroups: 1 });

  const sample = (p: Program) => {
    const count = Math.min(SAMPLE, rows);
    const share = Math.ceil(wanted * count / rows);
    const stride = Math.floor(rows / count);
    countDigits(p, operands, { digit: DIGITS[0], counts, rows: count, stride });
    p.kernel(sampleCut(), { sizes: { share }, bind: { counts, cut, state }, workgroups: 1 });
  };
  const screen = (p: Program, packed: PackedBoth, last: number) => {
    const how = { cutOf: "batch", cuts: cut, list } as const;
    listCandidates(p, operands, packed, how);
    evaluate(p, operands, how);
    countValues(p, list, { digit: DIGITS[0], counts });
    p.kernel(judgeCut(), {
      sizes: { wanted, capacity, last },
      bind: { counts, cut, state },
      workgroups: 1,
    });
  };
  runWhere(p, { flags: state, at: STATE.sample }, sample);
  screen(p, packed, 0);
  runWhere(p, { flags: state, at: STATE.sample }, sample);
  let exact = packed;
  runWhere(p, { flags: state, at: STATE.retry }, (p) => {
    if (factors !== "float32") exact = packBoth(p, { ...operands, factors: "float32" });
    screen(p, exact, 1);
  });
  runWhere(p, { flags: state, at: STATE.retry }, (p) => screen(p, exact, 2));

  for (const [pass, digit] of DIGITS.entries()) {
    if (pass > 0) countValues(p, list, { digit, counts, selection });
    choose(p, { pass, counts, selection, wanted });
  }
  // If screening failed, the list is empty, and so is its output.
  placeCandidates(p, { list, selection, rows, out });
  writeCandidates(p, { list, rows, cols, out });
  runWhere(p, { flags: state, at: STATE.failed }, (p) => {
    for (const [pass, digit] of DIGITS.entries()) {
      countDigits(p, operands, { digit, counts, selection: pass > 0 ? selection : undefined });
      choose(p, { pass, counts, selection, wanted });
    }
    writeAll(p, operands, { list, selection, out });
  });
  noteEntries(p, { rows, out, ...notes });
  return { selection, state, packed };
}

type Digit = typeof DIGITS[number];

/** Adds the listed values to a histogram by one digit. */
function countValues(
  p: Program,
  { capacity, values }: Candidates,
  { digit, counts, selection }: { digit: Digit; counts: DeviceBuffer; selection?: DeviceBuffer },
): void {
  const vector = capacity % 4 === 0;
  p.kernel(histogram({ ...digit, later: selection !== undefined, vector }), {
    sizes: { numbers: capacity },
    bind: { z: values, counts, state: selection },
    // 64 numbers per lane: few workgroups, whose histograms are added up.
    workgroups: walkers(p.device, capacity, 64 * 256),
  });
}

/** Adds all pre-activations of some rows to a histogram by one digit. */
function countDigits(
  p: Program,
  operands: Operands,
  { digit, counts, selection, rows = operands.rows, stride = 1 }: {
    digit: Digit;
    counts: DeviceBuffer;
    selection?: DeviceBuffer;
    rows?: number;
    stride?: number;
  },
): void {
  const { input, weights: { dModel: d, shards, bEnc: bias } } = operands;
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactDigits({ d, ...digit, later: selection !== undefined }), {
      sizes: { rows, stride, first, latents },
      bind: { x: input, w: wEnc, bias, counts, selection },
      workgroups: walkers(p.device, latents, 256),
    });
  }
}

function choose(
  p: Program,
  { pass, counts, selection, wanted }: {
    pass: number;
    counts: DeviceBuffer;
    selection: DeviceBuffer;
    wanted: number;
  },
): void {
  p.kernel(chooseDigit(DIGITS[pass]), {
    sizes: { first: pass === 0 ? 1 : 0, wanted },
    bind: { counts, state: selection },
    workgroups: 1,
  });
}

/** Writes all pre-activations that reach the threshold of `selection`, computed one by one. */
function writeAll(
  p: Program,
  { rows, input, weights: { dModel: d, shards, bEnc: bias } }: Operands,
  { list, selection, out }: { list: Candidates; selection: DeviceBuffer; out: SparseRows },
): void {
  const { counts, limits } = list;
  clear(p, counts, 2 * rows);
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactCounts({ d, cutOf: "batch" }), {
      sizes: { rows, first, latents },
      bind: { x: input, w: wEnc, bias, selection, counts },
      workgroups: rows,
    });
  }
  planRows(p, { selection, list, rows, out });
  const { offsets, latents: outLatents, values, capacity } = out;
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactRows({ d, listed: false }), {
      sizes: { rows, first, latents, firstOut: 0, capacity, fresh: first === 0 ? 1 : 0 },
      bind: { x: input, w: wEnc, bias, limits, offsets, latents: outLatents, values },
      workgroups: rows,
    });
  }
}
