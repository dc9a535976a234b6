import { recordStep } from "../../kernels/record_step.ts";
import { isCpu } from "../device/cpu.ts";
import { f32, type Program, u32 } from "../device/program.ts";
import { isFiniteNumber } from "./arithmetic.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import { words } from "./words.ts";

/** Words of one record; see the kernel. */
export const RECORD_WORDS = 11;

/** What a step writes for people to read later. */
export interface RecordBuffers {
  /** Uniform {step, …, sparsity}: the last is the share of the sparsity loss that holds. */
  step: DeviceBuffer;
  /** [3] {first bad input, smallest kept, dead latents}. */
  stats: DeviceBuffer;
  /** [recordSlots, RECORD_WORDS] the records. */
  records: DeviceBuffer;
  /** Number of records that fit. */
  recordSlots: number;
  /** [1] set where the loss or the batch is not finite. */
  frozen: DeviceBuffer;
}

/**
 * Sums the rows' squared errors into the step's record, with what else the step found out, and
 * freezes the run where the loss is not finite. Squares and offsets have rows for the samples, then
 * as many for the auxiliary loss where its coefficient is not 0. The sparsity loss, where there is one, is
 * coefficient · Σ penalties / n; with `theta` (JumpReLU) the penalties are numbers of active latents.
 */
export function recordLosses(
  p: Program,
  { rows, numbers, auxCoefficient, squares, offsets, sparsity, ...state }: {
    rows: number;
    /** n · d: losses are means over so many numbers. */
    numbers: number;
    auxCoefficient: number;
    squares: DeviceBuffer;
    offsets: DeviceBuffer;
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
    }, 1);
    return;
  }
  const sizes = p.buffers.uniform(
    "record sizes",
    words(
      [rows, auxCoefficient > 0 ? 1 : 0, state.recordSlots, sparsity?.latents ?? 1],
      [1 / numbers, auxCoefficient / numbers, (sparsity?.coefficient ?? 0) / rows],
    ),
  );
  const { step, stats, records, frozen } = state;
  const bound = [sizes, step, squares, sparsity?.theta ?? offsets, stats, records, frozen];
  if (sparsity) bound.push(sparsity.penalties);
  const code = recordStep({ sparsity: !sparsity ? "none" : sparsity.theta ? "l0" : "l1" });
  p.kernel("record", code, bound, 1);
}

/** The loop of {@linkcode recordLosses}, one piece of work; sums over samples are float64. */
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
  },
): void {
  const { step, stats, records, frozen, squares, offsets, penalties, theta } = buffers;
  const sum = (values: Float32Array, from: number, to: number) => {
    let total = 0;
    for (let at = from; at < to; at++) total += values[at];
    return total;
  };
  const number = new Uint32Array(step.buffer, step.byteOffset, 1)[0];
  const loss = Math.fround(sum(squares, 0, rows) / numbers);
  const auxiliary = auxCoefficient > 0 && stats[2] > 0
    ? Math.fround(auxCoefficient * sum(squares, rows, 2 * rows) / numbers)
    : 0;
  const penalty = penalties ? sum(penalties, 0, rows) : 0;
  const sparsity = Math.fround(coefficient * step[6] * penalty / rows);
  const meanThreshold = theta ? Math.fround(sum(theta, 0, latents) / latents) : 0;
  const finite = [loss, auxiliary, sparsity, meanThreshold].every(isFiniteNumber);
  if (stats[0] !== 0 || !finite) frozen[0] = 1;
  const at = (number - 1) % slots * RECORD_WORDS;
  const words = new Uint32Array(records.buffer, records.byteOffset, records.length);
  records[at] = loss;
  records[at + 1] = auxiliary;
  words[at + 2] = theta ? penalty : offsets[rows];
  words[at + 3] = stats[1] === 0 ? 0 : ~stats[1];
  words[at + 4] = stats[2];
  words[at + 5] = stats[0] === 0 ? 0 : ~stats[0] + 1;
  words[at + 6] = frozen[0];
  words[at + 7] = number;
  records[at + 8] = sparsity;
  records[at + 9] = meanThreshold;
}
