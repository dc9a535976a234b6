import type { DeviceBuffer } from "../device/buffer.ts";
import { threadsOf } from "../device/cpu.ts";
import { f32, i8, type Program, u32, u8 } from "../device/program.ts";
import type { Thread } from "../device/cpu_stage.ts";
import { atomicMax, dotOn } from "./arithmetic.ts";
import { blockRows, roundBoth, type Rounded } from "./round_rows.ts";
import type { Cut, Found } from "./screen_arguments.ts";
import { screenBlocks, screenInOrder } from "./screen.ts";
import { scratchNumbers, sliceLatents } from "./screen_bounds.ts";
import type { StepBuffers } from "./select.ts";
import type { SparseRows } from "./sparse_rows.ts";
import type { Weights } from "./weights.ts";

/** Arguments of {@linkcode selectOnCpu}. */
export interface CpuSelection {
  rows: number;
  input: DeviceBuffer;
  weights: Weights;
  out: SparseRows;
  cut: Cut;
  /** "latent": [m] thresholds, which pre-activations must exceed. */
  threshold?: DeviceBuffer;
  /** "batch" and "row": number to keep of the batch or per row. */
  wanted?: number;
  /** {count, latents}: only these latents are considered. */
  among?: DeviceBuffer;
  /** First of the sparse rows that are written (default 0). */
  firstRow?: number;
  /** The batch and the encoder, if the same program has rounded them before. */
  rounded?: Rounded;
  stats: DeviceBuffer;
  /** Buffers in which active latents are recorded. */
  notes?: Pick<StepBuffers, "step" | "lastActive">;
}

/** Sizes on which the memory of a selection depends. */
export interface SelectionSizes {
  rows: number;
  latents: number;
  cut: Cut;
  /** See {@linkcode CpuSelection}. */
  wanted: number;
  /** "latent": capacity of `out`. */
  most: number;
}

// Twice `wanted` for a batch: the cut is chosen so that little more is found.
function roomFor({ rows, latents, cut, wanted, most }: SelectionSizes): number {
  if (cut === "batch") return Math.min(rows * latents, Math.max(2 * wanted, 65536));
  return cut === "row" ? rows * Math.min(wanted, latents) : most;
}

/**
 * Number of 32-bit words that {@linkcode selectOnCpu} allocates, without the rounded operands (see
 * `roundedNumbers`).
 */
export function selectionNumbers(sizes: SelectionSizes, threads: number): number {
  const { rows, latents, cut, wanted } = sizes;
  const block = blockRows(rows, latents, threads);
  const scratch = threads * scratchNumbers(block, latents, cut === "row" ? wanted : 0);
  const cuts = cut === "latent" ? 0 : 4;
  return 3 * roomFor(sizes) + 2 + 2 * Math.ceil(rows / block) + cuts + 1 + scratch + rows;
}

/**
 * Bytes outside the device's memory that the threads use for screening: per thread a copy of the operands
 * of one 8-bit product, and its result for a block of rows.
 */
export function screeningBytes(
  { rows, latents, d }: { rows: number; latents: number; d: number },
  threads: number,
): number {
  const block = Math.min(rows, blockRows(rows, latents, threads));
  const slice = Math.min(latents, sliceLatents(block));
  // With a cut per row, as for dead latents, a block's estimates of all latents are kept.
  return threads * (slice * d + block * d + 4 * block * latents);
}

/** Screens a batch, and writes the kept entries as sparse rows; returns the rounded operands. */
export function selectOnCpu(p: Program, selection: CpuSelection): Rounded {
  const { rows: n, input, weights, out, cut, wanted = 0, firstRow = 0, stats } = selection;
  const { dModel: d, dictSize: m, shards: [{ wEnc }], bEnc } = weights;
  const rounded = selection.rounded ?? roundBoth(p, { input, wEnc, rows: n, latents: m, d });
  const { block } = rounded.samples;
  const blocks = Math.ceil(n / block);
  const capacity = roomFor({ rows: n, latents: m, cut, wanted, most: out.capacity });
  const found = {
    rows: u32(p.buffers.zeros("found rows", capacity)),
    latents: u32(p.buffers.zeros("found latents", capacity)),
    values: f32(p.buffers.zeros("found values", capacity)),
    counts: u32(p.buffers.zeros("found", 2)),
    blocks: u32(p.buffers.zeros("found of blocks", 2 * blocks)),
  };
  const cuts = selection.threshold ?? p.buffers.zeros("cut", 4);
  const done = u32(p.buffers.zeros("selection is done", 1));
  const { samples, latents } = rounded;
  const screening = {
    ...found,
    ...{ cut, cuts: f32(cuts), wanted, n, block, m, d, done, stats: u32(stats) },
    among: selection.among && u32(selection.among),
    ...{ input: f32(input), wEnc: f32(wEnc), bEnc: f32(bEnc) },
    ...{ sampleBytes: i8(samples.bytes), sampleScale: f32(samples.scale) },
    ...{ sampleNorm: f32(samples.norm), sampleError: f32(samples.error) },
    ...{ latentBytes: u8(latents.bytes), latentScale: f32(latents.scale) },
    ...{ latentNorm: f32(latents.norm), latentError: f32(latents.error) },
    ...{ kept: u32(out.kept), firstRow },
    scratch: f32(
      p.buffers.zeros(
        "screening",
        scratchNumbers(block, m, cut === "row" ? wanted : 0) * threadsOf(p.device),
      ),
    ),
  };
  const shared = {
    ...{ found: found.counts, values: found.values, cuts: f32(cuts), done, wanted },
    ...{ m, stats: u32(stats) },
  };
  p.loop(beginSelection, {
    ...shared,
    ...{ cut, n, d, input: f32(input), wEnc: f32(wEnc), bEnc: f32(bEnc) },
  }, 1);
  const begin = p.mark();
  p.loop(screenBlocks, screening, blocks, 1);
  if (cut === "batch") {
    p.loop(screenInOrder, screening, 1);
    p.loop(judgeCut, shared, 1);
    p.repeat(begin, done);
  }
  const { offsets, kept, latents: keptLatents, values: keptValues } = out;
  const writing = {
    ...found,
    ...{ cuts: cut === "batch" ? f32(cuts) : undefined, kept: u32(kept), offsets: u32(offsets) },
    ...{
      outLatents: u32(keptLatents),
      outValues: f32(keptValues),
      firstRow,
      n,
      block,
      stats: u32(stats),
    },
    step: selection.notes && u32(selection.notes.step),
    lastActive: selection.notes && u32(selection.notes.lastActive),
  };
  const ties = u32(p.buffers.zeros("ties per row", n));
  if (cut === "batch") p.loop(countKept, { ...writing, ties }, blocks);
  p.loop(placeRows, { ...writing, ties }, 1);
  p.loop(writeKept, { ...writing, ties }, blocks);
  return rounded;
}

interface Judged {
  /** {found, candidates}. */
  found: Uint32Array;
  values: Float32Array;
  /** {cut, threshold, previous threshold, number of lowerings, later number of equals to keep}. */
  cuts: Float32Array;
  done: Uint32Array;
  stats: Uint32Array;
  wanted: number;
  m: number;
}

/** Resets the counts and predicts the cut, one work item. */
export function beginSelection(
  { found, cuts, done, cut, wanted, m, n, d, input, wEnc, bEnc }: Judged & {
    cut: Cut;
    n: number;
    d: number;
    input: Float32Array;
    wEnc: Float32Array;
    bEnc: Float32Array;
  },
  _from: number,
  _to: number,
  thread: Thread,
): void {
  found.fill(0);
  done[0] = 0;
  if (cut !== "batch") return;
  // A little below the last threshold, or in the first step below that of 16 rows.
  cuts[0] = cuts[2] > 0 ? 0.95 * cuts[2] : 0.8 * sampleCut();
  cuts[3] = 0;

  function sampleCut(): number {
    const dot = dotOn(thread);
    const rows = Math.min(n, 16);
    const values: number[] = [];
    for (let i = 0; i < rows; i++) {
      const row = Math.floor(i * n / rows);
      for (let latent = 0; latent < m; latent++) {
        const value = dot(input, row * d, wEnc, latent * d, d) + bEnc[latent];
        if (value > 0) values.push(value);
      }
    }
    const share = Math.ceil(wanted * rows / n);
    if (values.length <= share) return 0;
    return Float64Array.from(values).sort()[values.length - share];
  }
}

/**
 * Checks whether enough entries were found, one work item: if so sets the threshold, else another cut and
 * `done` = 0. If more were found than the capacity, the wanted-th largest of those stored is a cut that
 * enough entries reach. If too few were found, the cut is lowered, each time by more; at 0 there are no
 * more.
 */
export function judgeCut({ found, values, cuts, done, stats, wanted }: Judged): void {
  const room = Math.min(found[0], values.length);
  const lowerings = new Uint32Array(cuts.buffer, cuts.byteOffset, 4);
  if (stats[0] !== 0) {
    done[0] = 1;
    return;
  }
  if (found[0] < wanted && cuts[0] > 0) {
    // By 1/2, 1/4, 1/16 …: at most eight screenings from any finite cut.
    const factor = 2 ** -(2 ** lowerings[3]++);
    cuts[0] = cuts[0] < Infinity && cuts[0] * factor > 1e-6 ? factor * cuts[0] : 0;
    found.fill(0);
    done[0] = 0;
    return;
  }
  const enough = room >= wanted && wanted > 0;
  const least = enough ? wantedLargest(values, room, wanted) : { value: 0, equals: 0 };
  if (found[0] > values.length) {
    // The same cut again: more numbers equal it than the capacity.
    done[0] = least.value === cuts[0] ? 2 : 0;
    cuts[0] = least.value;
    found.fill(0);
    return;
  }
  cuts[1] = least.value;
  if (enough) cuts[2] = least.value;
  lowerings[3] = least.equals;
  done[0] = 1;
}

/** The wanted-th largest of positive numbers, and how many of the `wanted` largest equal it. */
function wantedLargest(values: Float32Array, count: number, wanted: number) {
  const bits = new Uint32Array(values.buffer, values.byteOffset, count);
  let [prefix, remaining] = [0, wanted];
  for (const [shift, width] of [[20, 11], [9, 11], [0, 9]]) {
    const counts = new Uint32Array(1 << width);
    const above = shift + width;
    for (let at = 0; at < count; at++) {
      if (above > 30 || bits[at] >>> above === prefix >>> above) {
        counts[(bits[at] >>> shift) & ((1 << width) - 1)]++;
      }
    }
    let bin = counts.length - 1;
    while (counts[bin] < remaining) remaining -= counts[bin--];
    prefix |= bin << shift;
  }
  return { value: new Float32Array(Uint32Array.of(prefix).buffer)[0], equals: remaining };
}

interface Writing extends Found {
  /** {…, threshold, …, number of equals to keep}; undefined if all entries are kept. */
  cuts: Float32Array | undefined;
  ties: Uint32Array;
  kept: Uint32Array;
  offsets: Uint32Array;
  outLatents: Uint32Array;
  outValues: Float32Array;
  firstRow: number;
  n: number;
  /** Rows of a block. */
  block: number;
  stats: Uint32Array;
  step: Uint32Array | undefined;
  lastActive: Uint32Array | undefined;
}

/** Counts per row the entries above the threshold and those equal to it, over blocks of rows. */
export function countKept(
  { blocks, block: size, rows, values, cuts, ties, kept, firstRow, n, stats }: Writing,
  from: number,
  to: number,
): void {
  const threshold = cuts ? cuts[1] : 0;
  for (let block = from; block < to; block++) {
    const last = Math.min(n, (block + 1) * size);
    kept.fill(0, firstRow + block * size, firstRow + last);
    ties.fill(0, block * size, last);
    if (stats[0] !== 0) continue;
    const end = Math.min(values.length, blocks[2 * block] + blocks[2 * block + 1]);
    for (let at = blocks[2 * block]; at < end; at++) {
      if (values[at] > threshold) kept[firstRow + rows[at]]++;
      else if (values[at] === threshold) ties[rows[at]]++;
    }
  }
}

/** Assigns entries equal to the threshold in order of row, and computes offsets; one work item. */
export function placeRows({ cuts, ties, kept, offsets, firstRow, n, stats }: Writing): void {
  if (stats[0] !== 0) kept.fill(0, firstRow, firstRow + n);
  let equals = cuts ? new Uint32Array(cuts.buffer, cuts.byteOffset, 4)[3] : 0;
  for (let row = 0; row < n; row++) {
    const own = Math.min(ties[row], equals);
    equals -= own;
    ties[row] = own;
    kept[firstRow + row] += own;
    offsets[firstRow + row + 1] = offsets[firstRow + row] + kept[firstRow + row];
  }
}

/** Writes the kept entries and records active latents, over blocks of rows. */
export function writeKept(
  { blocks, rows, latents, values, cuts, ties, offsets, stats, ...writing }: Writing,
  from: number,
  to: number,
): void {
  const { outLatents, outValues, firstRow, step, lastActive } = writing;
  if (stats[0] !== 0) return;
  const threshold = cuts ? cuts[1] : 0;
  let least = Infinity;
  for (let block = from; block < to; block++) {
    const end = Math.min(values.length, blocks[2 * block] + blocks[2 * block + 1]);
    let [row, place, equals] = [-1, 0, 0];
    for (let at = blocks[2 * block]; at < end; at++) {
      if (rows[at] !== row) {
        row = rows[at];
        [place, equals] = [offsets[firstRow + row], ties[row]];
      }
      const value = values[at];
      if (value < threshold || value === threshold && equals-- <= 0) continue;
      if (place < outValues.length) {
        outLatents[place] = latents[at];
        outValues[place] = value;
      }
      place++;
      least = Math.min(least, value);
      if (lastActive) lastActive[latents[at]] = step![0];
    }
  }
  if (lastActive && least < Infinity) {
    atomicMax(stats, 1, ~new Uint32Array(Float32Array.of(least).buffer)[0] >>> 0);
  }
}
