import { appendCandidates, STATE } from "../../kernels/append_candidates.ts";
import { judgeCut, predictCut, sampleCut } from "../../kernels/batch_cut.ts";
import { chooseDigit } from "../../kernels/choose_digit.ts";
import { denseTiled, type Factors, TILE, vectorsOf } from "../../kernels/dense_tiled.ts";
import { exactCounts, exactDigits, exactDots, exactRows } from "../../kernels/exact_dots.ts";
import { histogram } from "../../kernels/histogram.ts";
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
import type { Program } from "../device/program.ts";
import { packBoth, type PackedBoth, screeningBound } from "./round_on_gpu.ts";
import { runWhere } from "./run_where.ts";
import { DIGITS, type StepBuffers } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

// Exact selection by screening, on a GPU. A product of rounded numbers, with a proven bound, lists the pairs
// {row, latent} that may reach a cut; their exact dots, always by the same function, decide. So values
// depend on neither the rounding nor the cut, and no array of [n, m] exists.

/** A list of candidates, with what only the GPU knows of it. */
interface Candidates {
  capacity: number;
  /** {row, latent} each. */
  pairs: DeviceBuffer;
  /** Bits of their pre-activations, 0 for those that do not reach the cut. */
  values: DeviceBuffer;
  /** See `STATE`. */
  state: DeviceBuffer;
  /** Scratch: two counts for each row. */
  counts: DeviceBuffer;
}

/** What a screening reads. */
interface Operands {
  rows: number;
  input: DeviceBuffer;
  weights: Weights;
}

/** Words of the state; see `STATE`. */
const STATE_WORDS = 4;

/** Rows of a sample that a first cut is taken from. */
const SAMPLE = 16;

/** How the GPU may screen, and the buffer from which it predicts the next cut. */
export interface Screened {
  /** What became of it; see `STATE`. */
  state: DeviceBuffer;
  /** {bits of the threshold, equals that stay, …} of the last selection. */
  selection: DeviceBuffer;
}

/**
 * BatchTopK (Eq. 7): keeps the `wanted` largest positive pre-activations of the whole batch, exactly that
 * many where there are, ties broken by (row, latent) order. The cut is predicted from the last threshold;
 * where the prediction was wrong, up to two more screenings follow, with exact bounds of float32; where that
 * fails too, because more numbers than the list holds lie within rounding errors of the threshold, all are
 * computed one by one, three times.
 */
export function selectBatchScreened(
  p: Program,
  { rows, input, weights, wanted, out, factors, most = Infinity, ...notes }:
    & Operands
    & {
      wanted: number;
      out: SparseRows;
      /** What the first screening multiplies. */
      factors: Factors;
      /** Most candidates that are listed (default: as many as is useful). */
      most?: number;
    }
    & StepBuffers,
): Screened {
  const operands = { rows, input, weights };
  // Up to six candidates were met for each kept entry, where a few coordinates dwarf all others.
  const list = createList(p, rows, weights.dictSize, Math.min(most, Math.max(8 * wanted, 65536)));
  const { state, capacity } = list;
  const selection = p.buffers.zeros("selection", 4);
  const cut = p.buffers.zeros("cut", 1);
  const counts = p.buffers.zeros("histogram", 2048);
  const fast = packBoth(p, { ...operands, factors });
  p.kernel(predictCut(), { sizes: {}, bind: { selection, cut, state }, workgroups: 1 });

  const sample = (p: Program) => {
    const count = Math.min(SAMPLE, rows);
    const share = Math.ceil(wanted * count / rows);
    const stride = Math.floor(rows / count);
    countDigits(p, operands, { digit: DIGITS[0], counts, rows: count, stride });
    p.kernel(sampleCut(), { sizes: { share }, bind: { counts, cut, state }, workgroups: 1 });
  };
  const screen = (p: Program, packed: PackedBoth, last: number) => {
    listCandidates(p, operands, packed, { cutOf: "batch", cuts: cut, list });
    evaluate(p, operands, { cutOf: "batch", cuts: cut, list });
    countValues(p, list, { digit: DIGITS[0], counts });
    p.kernel(judgeCut(), {
      sizes: { wanted, capacity, last },
      bind: { counts, cut, state },
      workgroups: 1,
    });
  };
  runWhere(p, { flags: state, at: STATE.sample }, sample);
  screen(p, fast, 0);
  runWhere(p, { flags: state, at: STATE.sample }, sample);
  let exact = fast;
  runWhere(p, { flags: state, at: STATE.retry }, (p) => {
    if (factors !== "float32") exact = packBoth(p, { ...operands, factors: "float32" });
    screen(p, exact, 1);
  });
  runWhere(p, { flags: state, at: STATE.retry }, (p) => screen(p, exact, 2));

  for (const [pass, digit] of DIGITS.entries()) {
    if (pass > 0) countValues(p, list, { digit, counts, selection });
    choose(p, { pass, counts, selection, wanted });
  }
  const places = createPlaces(p, rows);
  writeList(p, { list, places, selection, rows, cols: weights.dictSize, out });
  runWhere(p, { flags: state, at: STATE.failed }, (p) => {
    for (const [pass, digit] of DIGITS.entries()) {
      countDigits(p, operands, { digit, counts, selection: pass > 0 ? selection : undefined });
      choose(p, { pass, counts, selection, wanted });
    }
    writeAll(p, operands, { list, places, selection, out });
  });
  noteEntries(p, { rows, out, ...notes });
  return { selection, state };
}

function createList(p: Program, rows: number, cols: number, wanted: number): Candidates {
  // Pairs of words are what one binding must hold.
  const bound = Math.floor(p.device.limits.maxStorageBufferBindingSize / 8);
  const capacity = Math.max(1, Math.min(rows * cols, wanted, bound));
  return {
    capacity,
    pairs: p.buffers.zeros("candidates", 2 * capacity),
    values: p.buffers.zeros("values of candidates", capacity),
    state: p.buffers.zeros("state of the selection", STATE_WORDS),
    counts: p.buffers.zeros("candidates a row", 2 * rows),
  };
}

/** Workgroups that walk a list: enough to fill a GPU; on the processor each costs. */
const walkers = (device: Device, length: number, each: number): number =>
  Math.min(device.software ? 16 : 2048, Math.ceil(length / each));

/** Lists the pairs whose estimate, with its bound, reaches its cut. */
function listCandidates(
  p: Program,
  { rows, weights }: Operands,
  packed: PackedBoth,
  { cutOf, cuts, list }: { cutOf: "batch" | "latent"; cuts: DeviceBuffer; list: Candidates },
): void {
  const { factors, samples, shards } = packed;
  const { capacity, state, pairs } = list;
  const d = weights.dModel;
  // One kernel serves every width, but odd ones in float32.
  const product = denseTiled({
    ...{ d, factors, epilogue: appendCandidates({ cutOf, factors }) },
    vectors: factors === "float32" && d % 4 !== 0 ? undefined : "sizes.vectors",
  });
  const vectors = vectorsOf(factors, d);
  for (const [index, { first, latents }] of weights.shards.entries()) {
    p.kernel(product, {
      sizes: {
        ...{ rows, cols: latents, firstRow: 0, vectors, first, capacity },
        ...screeningBound(factors, d),
      },
      bind: {
        ...{ x: samples.numbers, w: shards[index].numbers },
        ...{ rowFacts: samples.facts, latentFacts: shards[index].facts },
        ...{ bias: weights.bEnc, cuts, state, pairs },
      },
      workgroups: Math.ceil(rows / TILE) * Math.ceil(latents / TILE),
    });
  }
}

/** The exact pre-activations of listed pairs. */
function evaluate(
  p: Program,
  { input, weights }: Operands,
  { cutOf, cuts, list }: { cutOf: "batch" | "latent"; cuts: DeviceBuffer; list: Candidates },
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

type Digit = typeof DIGITS[number];

/** Adds the listed values to a histogram by one digit. */
function countValues(
  p: Program,
  { capacity, values }: Candidates,
  { digit, counts, selection }: { digit: Digit; counts: DeviceBuffer; selection?: DeviceBuffer },
): void {
  p.kernel(histogram({ ...digit, later: selection !== undefined }), {
    sizes: { numbers: capacity },
    bind: { z: values, counts, state: selection },
    workgroups: Math.ceil(walkers(p.device, capacity, 64 * 256) / 2),
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

/** Where rows find what they keep: scratch of `writeList` and `writeAll`. */
interface Places {
  starts: DeviceBuffer;
  limits: DeviceBuffer;
}

const createPlaces = (p: Program, rows: number): Places => ({
  starts: p.buffers.zeros("starts of rows", rows + 1),
  limits: p.buffers.zeros("limits of rows", 2 * rows),
});

/** Listed values that reach the threshold of `selection`, as sparse rows from row `firstOut` on. */
function writeList(
  p: Program,
  { list, places, selection, rows, cols, out, firstOut = 0 }: {
    list: Candidates;
    places: Places;
    selection: DeviceBuffer;
    rows: number;
    cols: number;
    out: SparseRows;
    firstOut?: number;
  },
): void {
  const { capacity: room, pairs, values: listed, state, counts } = list;
  const placed = p.buffers.zeros("candidates by row", 2 * room);
  const own = { pairs, values: listed, state, selection, counts };
  const workgroups = walkers(p.device, room, 64);
  clearRows(p, counts, rows);
  p.kernel(countListed(), { sizes: { capacity: room }, bind: own, workgroups });
  planRows(p, { selection, counts, places, rows, out, firstOut });
  const { starts, limits } = places;
  p.kernel(placeListed(), {
    sizes: { capacity: room },
    bind: { ...own, starts, placed },
    workgroups,
  });
  const { offsets, latents, values, capacity } = out;
  p.kernel(writeListed(), {
    sizes: { rows, cols, firstOut, capacity },
    bind: { starts, placed, limits, offsets, latents, values },
    workgroups: rows,
  });
}

function clearRows(p: Program, counts: DeviceBuffer, rows: number): void {
  p.kernel(clearCounts(), {
    sizes: { length: 2 * rows },
    bind: { counts },
    workgroups: Math.ceil(2 * rows / 64),
  });
}

function planRows(
  p: Program,
  { selection, counts, places, rows, out, firstOut }: {
    selection: DeviceBuffer;
    counts: DeviceBuffer;
    places: Places;
    rows: number;
    out: SparseRows;
    firstOut: number;
  },
): void {
  p.kernel(planListed(), {
    sizes: { rows, firstOut },
    bind: { selection, counts, ...places, offsets: out.offsets },
    workgroups: 1,
  });
}

/** The same of all pre-activations, computed one by one. */
function writeAll(
  p: Program,
  { rows, input, weights: { dModel: d, shards, bEnc: bias } }: Operands,
  { list: { counts }, places, selection, out }: {
    list: Candidates;
    places: Places;
    selection: DeviceBuffer;
    out: SparseRows;
  },
): void {
  clearRows(p, counts, rows);
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactCounts({ d }), {
      sizes: { rows, first, latents },
      bind: { x: input, w: wEnc, bias, selection, counts },
      workgroups: rows,
    });
  }
  planRows(p, { selection, counts, places, rows, out, firstOut: 0 });
  const { offsets, latents: outLatents, values, capacity } = out;
  const progress = p.buffers.zeros("progress of rows", 2 * rows);
  for (const { first, latents, wEnc } of shards) {
    p.kernel(exactRows({ d }), {
      sizes: { rows, first, latents, firstOut: 0, capacity, fresh: first === 0 ? 1 : 0 },
      bind: {
        ...{ x: input, w: wEnc, bias, limits: places.limits },
        ...{ offsets, latents: outLatents, values, progress },
      },
      workgroups: rows,
    });
  }
}

/** Notes which latents are active, and the smallest value. */
function noteEntries(
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
