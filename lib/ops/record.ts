import { RECORD, RECORD_AT, STEP_AT } from "../../kernels/prelude.ts";
import { recordStep } from "../../kernels/record_step.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { isFiniteNumber } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";

/** Number of words of a record. */
export const RECORD_WORDS: number = RECORD.length;

/** Buffers with the records of steps. */
export interface RecordBuffers {
  /** Uniform {step, …, sparsity}: the last is the current share of the sparsity loss. */
  step: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents}. */
  stats: DeviceBuffer;
  /** [recordSlots, RECORD_WORDS] the records. */
  records: DeviceBuffer;
  /** Number of slots for records. */
  recordSlots: number;
  /** [1] set where the loss or the batch is not finite. */
  frozen: DeviceBuffer;
}

/**
 * Writes the step's record: losses from the rows' squared errors, and statistics. If the loss is not
 * finite, the run is frozen. Squares and offsets have rows for the samples, followed by as many for the
 * auxiliary loss if its coefficient is not 0. The sparsity loss, if any, is coefficient · Σ penalties / n;
 * with `theta` (JumpReLU) the penalties are numbers of active latents.
 */
export function recordLosses(
  p: Program,
  { rows, numbers, auxCoefficient, squares, offsets, sparsity, dense, wentDense, ...state }: {
    rows: number;
    /** n · d, over which losses are means. */
    numbers: number;
    auxCoefficient: number;
    squares: DeviceBuffer;
    offsets: DeviceBuffer;
    /** CPU: {1 if the step used dense products}. */
    dense?: DeviceBuffer;
    /** GPU: whether the step used dense products. */
    wentDense?: boolean;
    sparsity?: {
      coefficient: number;
      penalties: DeviceBuffer;
      latents: number;
      theta?: DeviceBuffer;
    };
  } & RecordBuffers,
): void {
  if (isCpu(p.device)) {
    const { coefficient = 0, penalties, latents = 1, theta } = sparsity ?? {};
    p.loop(recordOnCpu, {
      ...{ rows, numbers, auxCoefficient, coefficient, latents, slots: state.recordSlots },
      ...{ step: f32(state.step), stats: u32(state.stats), records: f32(state.records) },
      ...{ frozen: u32(state.frozen), squares: f32(squares), offsets: u32(offsets) },
      ...{ penalties: penalties && f32(penalties), theta: theta && f32(theta) },
      dense: dense && u32(dense),
    }, 1);
    return;
  }
  const { step, stats, records, recordSlots: slots, frozen } = state;
  const { theta, penalties } = sparsity ?? {};
  p.kernel(recordStep({ penalized: penalties !== undefined, jump: theta !== undefined }), {
    sizes: {
      ...{ rows, slots, hasAuxiliary: auxCoefficient > 0 ? 1 : 0 },
      ...{ latents: sparsity?.latents ?? 1, dense: wentDense ? 1 : 0 },
      lossScale: 1 / numbers,
      auxiliaryScale: auxCoefficient / numbers,
      sparsityScale: (sparsity?.coefficient ?? 0) / rows,
    },
    bind: {
      ...{ step, squares, stats, records, frozen, penalties, theta },
      offsets: theta ? undefined : offsets,
    },
    workgroups: 1,
  });
}

/** The loop of {@linkcode recordLosses}, one work item; sums over samples are float64. */
export function recordOnCpu(
  { rows, numbers, auxCoefficient, coefficient, latents, slots, ...buffers }: {
    rows: number;
    numbers: number;
    auxCoefficient: number;
    coefficient: number;
    latents: number;
    slots: number;
    step: Float32Array;
    stats: Uint32Array;
    records: Float32Array;
    frozen: Uint32Array;
    squares: Float32Array;
    offsets: Uint32Array;
    penalties: Float32Array | undefined;
    theta: Float32Array | undefined;
    dense: Uint32Array | undefined;
  },
): void {
  const { step, stats, records, frozen, squares, offsets, penalties, theta } = buffers;
  const sum = (values: Float32Array, from: number, to: number) => {
    let total = 0;
    for (let at = from; at < to; at++) total += values[at];
    return total;
  };
  const number = new Uint32Array(step.buffer, step.byteOffset)[STEP_AT.step];
  const loss = Math.fround(sum(squares, 0, rows) / numbers);
  const auxiliary = auxCoefficient > 0 && stats[2] > 0
    ? Math.fround(auxCoefficient * sum(squares, rows, 2 * rows) / numbers)
    : 0;
  const penalty = penalties ? sum(penalties, 0, rows) : 0;
  const sparsity = Math.fround(coefficient * step[STEP_AT.sparsity] * penalty / rows);
  const meanThreshold = theta ? Math.fround(sum(theta, 0, latents) / latents) : 0;
  const finite = [loss, auxiliary, sparsity, meanThreshold].every(isFiniteNumber);
  if (stats[0] !== 0 || !finite) frozen[0] = 1;
  const at = (number - 1) % slots * RECORD_WORDS;
  const words = new Uint32Array(records.buffer, records.byteOffset, records.length);
  records[at + RECORD_AT.loss] = loss;
  records[at + RECORD_AT.auxiliaryLoss] = auxiliary;
  words[at + RECORD_AT.activeEntries] = theta ? penalty : offsets[rows];
  words[at + RECORD_AT.smallestKept] = stats[1] === 0 ? 0 : ~stats[1];
  words[at + RECORD_AT.deadLatents] = stats[2];
  words[at + RECORD_AT.badInput] = stats[0] === 0 ? 0 : ~stats[0] + 1;
  words[at + RECORD_AT.frozen] = frozen[0];
  words[at + RECORD_AT.step] = number;
  records[at + RECORD_AT.sparsityLoss] = sparsity;
  records[at + RECORD_AT.meanThreshold] = meanThreshold;
  words[at + RECORD_AT.dense] = buffers.dense?.[0] ?? 0;
}
