import { recordStep } from "../../kernels/record_step.ts";
import type { BufferSet } from "../gpu/buffer.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { createOperation, type Operation } from "../gpu/kernel.ts";
import { words } from "./words.ts";

/** What a step writes for people to read later. */
export interface RecordBuffers {
  /** Uniform {step, …}. */
  step: GPUBuffer;
  /** [3] {first bad input, smallest kept, dead latents}. */
  stats: GPUBuffer;
  /** [recordSlots, 8] the records. */
  records: GPUBuffer;
  /** Number of records that fit. */
  recordSlots: number;
  /** [1] set where the loss or the batch is not finite. */
  frozen: GPUBuffer;
}

/**
 * Sums the rows' squared errors into the step's record, with what else the step found out, and
 * freezes the run where the loss is not finite. Squares and offsets have rows for the samples, then
 * as many for the auxiliary loss where its coefficient is not 0.
 */
export async function recordLosses(
  gpu: Gpu,
  buffers: BufferSet,
  { rows, numbers, auxCoefficient, squares, offsets, step, stats, records, recordSlots, frozen }: {
    rows: number;
    /** n · d: losses are means over so many numbers. */
    numbers: number;
    auxCoefficient: number;
    squares: GPUBuffer;
    offsets: GPUBuffer;
  } & RecordBuffers,
): Promise<Operation> {
  const sizes = buffers.uniform(
    "record sizes",
    words([rows, auxCoefficient > 0 ? 1 : 0, recordSlots], [1 / numbers, auxCoefficient / numbers]),
  );
  const bound = [sizes, step, squares, offsets, stats, records, frozen];
  return await createOperation(gpu, "record", recordStep(), bound, 1);
}
