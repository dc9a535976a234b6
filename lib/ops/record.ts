import { recordStep } from "../../kernels/record_step.ts";
import type { DeviceBuffer } from "../device/buffer.ts";
import type { Program } from "../device/program.ts";
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
